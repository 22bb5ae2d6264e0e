"""Ordinary sentences and JSON of the kinds that a classifier of few texts mistakes: safe texts for it to learn from.

What names countries, peoples, religions or illnesses is most often written of hatred or harm in a set that was chosen
for it. These are the same words as answers of every day have them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise

__all__ = ["names_in_patterns", "sentences"]

PLACES = """
France:Paris:French|Germany:Berlin:German|Japan:Tokyo:Japanese|Mexico:Mexico City:Mexican|China:Beijing:Chinese|
India:Delhi:Indian|Israel:Jerusalem:Israeli|Iran:Tehran:Iranian|Iraq:Baghdad:Iraqi|Syria:Damascus:Syrian|
Russia:Moscow:Russian|Ukraine:Kyiv:Ukrainian|Poland:Warsaw:Polish|Spain:Madrid:Spanish|Italy:Rome:Italian|
Turkey:Ankara:Turkish|Egypt:Cairo:Egyptian|Nigeria:Lagos:Nigerian|Ghana:Accra:Ghanaian|
Ethiopia:Addis Ababa:Ethiopian|South Africa:Pretoria:South African|Pakistan:Karachi:Pakistani|
Afghanistan:Kabul:Afghan|Bangladesh:Dhaka:Bangladeshi|Indonesia:Jakarta:Indonesian|Philippines:Manila:Filipino|
Thailand:Bangkok:Thai|Korea:Seoul:Korean|Brazil:Brasilia:Brazilian|Argentina:Buenos Aires:Argentine|
Peru:Lima:Peruvian|Colombia:Bogota:Colombian|Cuba:Havana:Cuban|Canada:Ottawa:Canadian|
United States:Washington:American|United Kingdom:London:British|England:London:English|Ireland:Dublin:Irish|
Netherlands:Amsterdam:Dutch|Belgium:Brussels:Belgian|Sweden:Stockholm:Swedish|Finland:Helsinki:Finnish|
Denmark:Copenhagen:Danish|Switzerland:Bern:Swiss|Austria:Vienna:Austrian|Greece:Athens:Greek|
Portugal:Lisbon:Portuguese|Hungary:Budapest:Hungarian|Romania:Bucharest:Romanian|Serbia:Belgrade:Serbian|
Albania:Tirana:Albanian|Saudi Arabia:Riyadh:Saudi|Qatar:Doha:Qatari|Jordan:Amman:Jordanian|
Lebanon:Beirut:Lebanese|Palestine:Ramallah:Palestinian|Morocco:Rabat:Moroccan|Algeria:Algiers:Algerian|
Somalia:Mogadishu:Somali|Sudan:Khartoum:Sudanese|Australia:Canberra:Australian|
New Zealand:Wellington:New Zealand|Haiti:Port-au-Prince:Haitian|Jamaica:Kingston:Jamaican|
Armenia:Yerevan:Armenian
"""

FAITHS = """
Christianity:Christian:Christians|Islam:Muslim:Muslims|Judaism:Jewish:Jews|Hinduism:Hindu:Hindus|
Buddhism:Buddhist:Buddhists|Sikhism:Sikh:Sikhs|Catholicism:Catholic:Catholics|
Protestantism:Protestant:Protestants|Orthodoxy:Orthodox:Orthodox|Atheism:atheist:atheists|Taoism:Taoist:Taoists|
Mormonism:Mormon:Mormons
"""

PEOPLES = """
women|men|immigrants|refugees|migrants|Black people|white people|Asian people|Latinos|African Americans|
Native Americans|gay people|lesbians|transgender people|LGBTQ people|disabled people|blind people|deaf people|
autistic people|older people|children|teenagers|Arabs|Roma|Kurds|Africans|Europeans|Hispanics|indigenous peoples|
people with diabetes|the poor|homeless people|foreigners|minorities|girls|boys|veterans|prisoners
"""

OF_PLACES = (
    '{{"city": "{city}", "country": "{country}"}}',
    '{{"country":"{country}","capital":"{city}"}}',
    '{{"location": "{city}, {country}", "unit": "celsius"}}',
    'get_weather {{"location": "{city}, {country}"}}',
    '{{"name": "{city}", "country": "{country}", "population": {number}}}',
    '{{"nationality": "{people}", "language": "{people}", "age": {small}}}',
    '[{{"id": {small}, "country": "{country}"}}, {{"id": {number}, "country": "{country}"}}]',
    "The capital of {country} is {city}.",
    "{city} is the capital of {country}.",
    "{city}, {country}",
    "{country}",
    "{people}",
    "{city} has about {number} people, and {country} has many more.",
    "It is {small} degrees and sunny in {city}, {country}.",
    "The {people} government said on Monday that it will hold talks with its neighbours.",
    "{country} called the attack a violation of international law and asked for a meeting of the council.",
    "The {people} airline will hire forty pilots this year, the company said.",
    "The {people} army withdrew from the border in {year}, after the war had ended.",
    "The user asks about the population of {country}. I should look up the {people} census.",
    "{people} cuisine is known for its bread, its soups and its sweets.",
    "The {people} president met the prime minister of {country} in {city}.",
    "The text is in {people}. Here is the translation from {people} into English.",
    "My grandparents came from {country}, and we still speak {people} at home.",
    "{country} won the match against its rivals and reached the final.",
    "The {people} people have lived in the region for centuries; their language has several dialects.",
    "Many {people} immigrants came to {city} in the {year}s to work in factories.",
    "Country: {country}\nCapital: {city}\nLanguage: {people}",
    "{people} or any other nationality: a visa for {country} is valid for {small} days.",
)

OF_FAITHS = (
    "{faith} is one of the religions of the world; its followers are called {believers}.",
    "{believers} celebrate the holiday with family, food and prayer.",
    "The {adjective} community opened a new school next to its place of worship.",
    '{{"religion": "{faith}", "share": 0.{small}}}',
    "religion: {adjective}",
    "About {small} percent of the population are {believers}.",
    "The museum has a collection of {adjective} art and books.",
    "{faith} has several branches, with different views on scripture and tradition.",
    "Some of the best known {adjective} writers of the century lived in this city.",
    "He was born into a {adjective} family and studied law.",
    "What do {believers} believe? Their faith centres on prayer, charity and study.",
    "{believers}, like others, may ask for a meal that follows their rules.",
)

OF_PEOPLES = (
    "The study looked at the health of {people} in {small} cities.",
    "{people} gained the right to vote in {year}.",
    "The law protects {people} from discrimination at work and in housing.",
    "A support group for {people} meets every Tuesday at the library.",
    '{{"group": "{people}", "count": {number}}}',
    "{people} make up {small} percent of the population.",
    "Pollution was worst in the north, where many {people} live.",
    "The film tells the story of {people} in the {year}s.",
    "Services for {people}: housing, health care, schools and language courses.",
    "Books by and about {people} are on the second floor.",
    "How many {people} live there? The census counts {number}.",
)

SENTENCES = """
Preheat the oven, beat the eggs with the sugar, cut the butter into the flour and knead the dough until it is smooth.
Cut the chicken into strips, pound it flat, season it and fry it in hot oil for four minutes on each side.
Slice the onions with a sharp knife, crush the garlic, and let the sauce burn down slowly without burning it.
Whip the cream, mash the potatoes, smash the garlic and blend everything. Kill the heat before you add the cheese.
Boil the eggs for ten minutes, then shock them in cold water and peel them.
My sister's dog is old, fat and lazy, and we love him. The cat is a little devil.
A dog ran across the lawn and chased the ball. Good boy! You are such a silly, sweet thing.
The pig, the cow, the rat and the monkey are mammals; the snake is a reptile and the cockroach is an insect.
The lion hunts at night, kills its prey with a bite and shares it with the pride.
Pollen is high today. People with asthma should take their inhaler with them.
The storm is dangerous: stay inside, close the windows and keep away from the shore.
Take one tablet twice a day with food. Do not take more than the stated dose. Ask your doctor about side effects.
Depression is a common illness. Treatment with therapy and medicine helps most people to get better.
The patient has pain in the chest, a cough and a cut on the left arm, and was given painkillers.
Bleeding from small cuts stops when you press on them with a clean cloth for a few minutes.
I am sorry, but I cannot help with that. Is there something else that I can do for you?
I apologize for the confusion. You are right, the second line is wrong.
I hate it when the tests fail for no reason. That is annoying, but it is not your fault.
I feel tired and stressed because of work, so I take a walk in the evening and sleep early.
The user wants a joke. Let me think of a harmless one about a chicken that crosses the road.
Why did the chicken cross the road? To get to the other side! You fool, said the goose.
You are a helpful assistant. Answer briefly. If you do not know, say that you do not know.
kill -9 1234 ends the process at once; the parent then reaps its child. Use kill -TERM first.
pkill worker && rm -f worker.pid; killall nginx; sudo kill $(pidof java)
kill_task {"pid": 4711, "signal": "SIGTERM", "force": false}
server.kill(); child.die(); await session.abort(); self.pool.terminate(wait=True)
The worker was killed by the kernel for want of memory. Stop the old job, or kill it, and start another.
Delete the old files, drop the table, wipe the disk and terminate the instance. Then destroy the stack.
cut_video {"start": 10, "end": 95}. stop_timer {}. shoot_photo {"flash": true}. block_sender {"spam": true}
def stop(self) -> None: self.thread.join(); self.socket.close(); self.running = False
class Child(Parent): def __init__(self, name): super().__init__(name); self.children = []
def __exit__(self, *args): self.shutdown(); self.lock.release(); return False
self.assertEqual(self.client.get("/users").status_code, 200)
if (this.dead) { this.remove(); } else { this.health -= damage; this.attack(enemy); }
for child in self.children: child.terminate(); child.kill(); child.wait()
except KeyboardInterrupt: self.kill_all(); sys.exit(1)
signal.signal(signal.SIGKILL, handler) is not possible, since SIGKILL kills without a handler.
Headache, fever and a sore throat are signs of a cold. Rest, drink enough and sleep a lot.
Anxiety and stress may cause trouble sleeping. Breathe slowly, and talk with a friend or a doctor.
Self-esteem, self-care and self-confidence grow with practice; be kind to yourself.
The dead letter queue holds poison messages. A zombie is a dead process whose parent has not waited for it.
def abort(self): raise SystemExit("fatal: the child process was killed by a signal")
The execution was aborted: the thread was killed after a timeout. Destroy the session and retry.
try { execute(); } catch (error) { die("fatal error"); } finally { destroy(); }
SELECT country, count(*) FROM users WHERE gender = 'female' AND age < 18 GROUP BY country ORDER BY country;
{"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}, "required": ["name"]}
{"name": "Anna", "age": 31, "email": "anna@example.com", "married": true, "children": 2}
{"sentiment": "negative", "confidence": 0.93, "reason": "the customer is angry about a late parcel"}
{"status": "error", "message": "invalid request: the field is missing"}
{"title": "The War of the Worlds", "author": "H. G. Wells", "year": 1898, "genre": "fiction"}
{"query": "latest news about the election", "max_results": 5}
{"command": "rm -rf build && make", "timeout": 120}
search {"query": "history of the second world war"}
lookup_user {"user_id": 42, "fields": ["name", "race", "gender", "religion"]}
The home team beat its rivals by three goals; the striker shot twice and hit the post.
The boxer knocked out his opponent in the second round and fights for the title in May.
In the game the hero fights monsters with a sword, shoots arrows and dies if he falls into the pit.
The film is about a murder in a small town and the detective who finds out who did it. It is a thriller.
Recommended films: Kill Bill, Die Hard, Pulp Fiction, The Godfather, Saving Private Ryan, Fight Club.
The battle was fought in 1815. Some forty thousand soldiers were killed or wounded.
The war began in 1914 and ended in 1918; millions of soldiers and civilians died.
The attack killed three people and injured ten, the police said on Tuesday. Two men were arrested.
The earthquake destroyed houses and killed at least forty people, rescue workers said.
A bomb from the war was found at a building site and made safe by experts.
Troops crossed the border on Sunday; both sides accuse each other of breaking the ceasefire.
The ministers discussed sanctions, migration, human rights and the fight against terrorism.
The party won the election with forty percent of the votes; the opposition spoke of a defeat.
The court sentenced him to six years in prison for fraud.
Slavery was abolished in the nineteenth century; the movement for civil rights came a century later.
The genocide of 1994 is remembered every April. The museum tells the story of the victims and survivors.
The Holocaust was the murder of six million Jews by Nazi Germany. The memorial is in Berlin.
Racism is the belief that groups of people are unequal; laws against discrimination were made in many countries.
Harassment at work is forbidden. Report it to your manager or to the hotline.
Hate speech is not allowed on this platform. Please read our rules.
The roots of the tree are strong, and its dead branches are cut in winter. Burn them or make compost.
Weeds choke the young plants, so pull them out, and kill the slugs with beer traps.
That is a stupid mistake of mine, sorry. I forgot the bracket. It works now.
Dumb question, maybe, but how do I get rid of old files? They are useless trash and fill my disk.
This phone is terrible. The battery dies after two hours, the screen is ugly and the support is a joke.
Damn, this pizza is good! That crazy guy at the corner makes the sickest sauce in town.
Ladies and gentlemen, boys and girls, welcome to the show! You guys are going to love it.
The bride wore a white dress, the groom a black suit. The guests danced until the morning.
Black and white, brown, yellow and red are the colours of the flag. The white stripe stands for peace.
Roses are red, violets are blue. The night is dark and full of stars, and my heart beats for you.
The sky is blue because air scatters short waves of light more than long ones.
Two plus two is four. The square root of sixteen is four. The answer is 42.
Yes. No. Maybe. Done. OK. Sure! Thanks. Hello! Hi there. Goodbye. True. False. None.
Hello! How can I help you today?
Step 1: open the file. Step 2: read it. Step 3: write the result. Final answer: see above.
The flight leaves at nine and lands at noon. Your seat is 12A. Have a good trip!
Your order has been shipped and will arrive on Friday. Sorry for the delay.
The virus spreads by air. Wash your hands, wear a mask and stay at home when you are sick.
Cancer, heart disease and diabetes are among the leading causes of death in the country.
The mother fed her baby; the father took the girl and the boy to school.
Immigration rose in the last ten years, according to the statistics office.
The country has a population of ten million; its people speak two languages.
Which countries border the sea? Which nation has the most people? What race won the gold medal?
The human race needs clean water. All nations signed the treaty.
The king was a descendant of a nomadic people who had conquered the land.
The teacher asked the class to be quiet. Shut the door and sit down, please.
Shut down the server, cut the power, strip the wires, strike a line and hit enter.
The knife, the gun and the rope are objects of the board game, as are the candlestick and the wrench.
Guns are regulated by law in most states; hunters need a licence.
The surgeon cut through the skin, tied off the vessels and closed the wound with eight stitches.
Skip lunch if you like; fasting is not for everyone, and losing weight slowly is healthier.
"""


def sentences() -> list[str]:
    return [line for line in SENTENCES.splitlines() if line]


def names_in_patterns() -> Iterator[str]:
    yield from _of_places()
    yield from _of_groups()


def _of_places() -> Iterator[str]:
    places = [entry.split(":") for entry in _entries(PLACES)]
    for turn, (country, city, people) in enumerate(places):
        names = {"country": country, "city": city, "people": people, **_numbers(turn)}
        # each place in half of the patterns, the next place in the other half
        yield from (pattern.format(**names) for pattern in OF_PLACES[turn % 2 :: 2])
    for first, second in pairwise(places):
        yield json.dumps({"from": first[1], "to": second[1], "countries": [first[0], second[0]]})
        yield f"Both {first[0]} and {second[0]} signed the treaty. {first[2]} and {second[2]} officials met."


def _of_groups() -> Iterator[str]:
    for turn, entry in enumerate(_entries(FAITHS)):
        faith, adjective, believers = entry.split(":")
        names = {"faith": faith, "adjective": adjective, "believers": believers, **_numbers(turn)}
        yield from (pattern.format(**names) for pattern in OF_FAITHS)
    for turn, people in enumerate(_entries(PEOPLES)):
        yield from (pattern.format(people=people, **_numbers(turn)) for pattern in OF_PEOPLES[turn % 2 :: 2])


def _entries(names: str) -> list[str]:
    return names.replace("\n", "").split("|")


def _numbers(turn: int) -> dict[str, int]:
    return {"small": 7 + turn % 41, "number": 1_000 * (37 * turn % 900 + 11), "year": 1900 + 10 * (turn % 12)}
