BEGIN TRANSACTION;
CREATE TABLE runs (
	id TEXT NOT NULL, 
	workflow TEXT NOT NULL, 
	definition TEXT, 
	inputs TEXT, 
	steps INTEGER NOT NULL, 
	status TEXT NOT NULL, 
	started TEXT NOT NULL, 
	ended TEXT, 
	seconds FLOAT, 
	outputs TEXT, 
	cost_usd TEXT, 
	error_code TEXT, 
	error_message TEXT, 
	owner TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "runs" VALUES('good','two','{"workflow":"1","name":"two","steps":[{"id":"a","kind":"set","value":1}]}','{"q":1}',1,'succeeded','2026-11-01T12:00:00+00:00','2026-11-01T12:00:02+00:00',2.5,'{"a":"größer"}','0.1',NULL,NULL,'elsewhere-no/1/1');
INSERT INTO "runs" VALUES('bad','two','{"workflow":"1","name":"two","steps":[{"id":"a","kind":"set","value":1}]}','{"q":1}',1,'failed','2026-11-01T12:01:00+00:00','2026-11-01T12:01:02+00:00',2.5,'{}','0.1','refused','no','elsewhere-no/1/1');
INSERT INTO "runs" VALUES('cut','two','{"workflow":"1","name":"two","steps":[{"id":"a","kind":"set","value":1}]}','{"q":1}',1,'running','2026-11-01T12:02:00+00:00',NULL,NULL,NULL,NULL,NULL,NULL,'elsewhere-no/1/1');
CREATE TABLE steps (
	run_id TEXT NOT NULL, 
	step_id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	status TEXT NOT NULL, 
	started TEXT, 
	ended TEXT, 
	output TEXT, 
	error_code TEXT, 
	error_message TEXT, 
	model TEXT, 
	provider TEXT, 
	quality TEXT, 
	usage TEXT, 
	cost_usd TEXT, 
	attempts TEXT, 
	PRIMARY KEY (run_id, step_id), 
	FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
INSERT INTO "steps" VALUES('cut','b','llm','running','2026-11-01T12:02:00+00:00',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "steps" VALUES('good','a','llm','succeeded','2026-11-01T12:00:00+00:00','2026-11-01T12:00:01+00:00','"größer"',NULL,NULL,'p/m','p',NULL,'{"input_tokens":3,"output_tokens":null,"cached_input_tokens":null,"cache_write_tokens":null,"reasoning_tokens":null,"input_audio_tokens":null,"input_image_tokens":null,"input_video_tokens":null,"cached_audio_tokens":null,"cache_write_1h_tokens":null,"output_audio_tokens":null,"output_image_tokens":null,"web_searches":null,"billed_input_tokens":null,"billed_output_tokens":null}','0.1','[{"number":1,"model":"p/n","outcome":"failed","error":null,"message":null,"seconds":0.0,"confidence":null,"cost_usd":"0.05","billable":false,"received":0,"call":1},{"number":2,"model":"p/m","outcome":"succeeded","error":null,"message":null,"seconds":0.0,"confidence":null,"cost_usd":"0.05","billable":false,"received":0,"call":1},{"number":1,"model":"p/m","outcome":"failed","error":null,"message":null,"seconds":0.0,"confidence":null,"cost_usd":"0.05","billable":false,"received":0,"call":2}]');
INSERT INTO "steps" VALUES('cut','a','llm','succeeded','2026-11-01T12:02:00+00:00','2026-11-01T12:02:01+00:00','"größer"',NULL,NULL,'p/m','p',NULL,'{"input_tokens":3,"output_tokens":null,"cached_input_tokens":null,"cache_write_tokens":null,"reasoning_tokens":null,"input_audio_tokens":null,"input_image_tokens":null,"input_video_tokens":null,"cached_audio_tokens":null,"cache_write_1h_tokens":null,"output_audio_tokens":null,"output_image_tokens":null,"web_searches":null,"billed_input_tokens":null,"billed_output_tokens":null}','0.1','[{"number":1,"model":"p/n","outcome":"failed","error":null,"message":null,"seconds":0.0,"confidence":null,"cost_usd":"0.05","billable":false,"received":0,"call":1},{"number":2,"model":"p/m","outcome":"succeeded","error":null,"message":null,"seconds":0.0,"confidence":null,"cost_usd":"0.05","billable":false,"received":0,"call":1},{"number":1,"model":"p/m","outcome":"failed","error":null,"message":null,"seconds":0.0,"confidence":null,"cost_usd":"0.05","billable":false,"received":0,"call":2}]');
CREATE INDEX runs_started ON runs (started);
COMMIT;
PRAGMA user_version = 1;
