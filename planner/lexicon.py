"""The English words that the rules planner knows: plain word lists, no logic beyond inflection."""

from __future__ import annotations

from types import MappingProxyType

__all__ = [
    "ABBREVIATIONS",
    "AMBIGUOUS",
    "BASE_OF",
    "CREATORS",
    "DERIVED",
    "DETERMINERS",
    "ECONOMY_VERBS",
    "EXTERNAL_VERBS",
    "IMAGE_NOUNS",
    "IMAGE_VERBS",
    "LISTABLE",
    "PREMIUM_VERBS",
    "PRODUCTS",
    "TRANSFORMERS",
    "UNMAKEABLE",
    "VERBS",
    "word_set",
]


def word_set(text: str) -> frozenset[str]:
    """The words of a text, for lists that are easier to read as one."""
    return frozenset(text.split())


# Verbs that start a clause whatever follows.
_CLEAR = """
critique audit triage escalate drive invest subscribe ship feed navigate guide coordinate negotiate
accept achieve acquire adapt adjust advise allocate analyse analyze animate annotate append apply argue arrange
assemble assess assign attach attend authenticate avoid blend borrow brainstorm build buy calculate cancel caption
categorise categorize choose classify clarify clean close collect colorize colourise combine compare compile compose
compress compute concatenate conclude condense conduct configure confirm connect consider construct consult contact
contrast convert convey count create criticise criticize crop decide declare decode decorate decrypt deduce define
delete deliver demonstrate denoise deploy depict derive describe detect determine develop devise diagnose discover
discuss distribute divide download draft draw duplicate edit elaborate eliminate embed emphasise emphasize encode
encrypt enhance enlarge enroll enrol ensure enter enumerate estimate evaluate examine execute expand explain explore
export extract fetch figure fill filter finalise finalize find fix format formulate gather generate get give have
group identify illustrate implement import improve incorporate infer inform insert inspect install integrate
interpret introduce invent investigate invite isolate judge keep learn leave let list listen locate lower make
measure merge mix modify narrate normalise normalize notify obtain optimise optimize order organise organize outline
overlay paint paraphrase parse pay perform phrase pick play polish post predict prepare present prioritise
prioritize produce pronounce proofread propose prove provide publish purchase put rank rate rebuild recap recognise
recognize recommend record redesign reduce refactor refine reformat reformulate regenerate register remind remove
rename render reorder repeat rephrase replace report represent research reserve resize restate restore restructure
retrieve review revise rewrite save scan schedule score segment select sell send separate share shorten show
simplify simulate sketch solve sort specify speculate split stabilise stabilize stitch study submit subtract suggest
summarise summarize synchronise synchronize synthesise synthesize tabulate tag take talk teach tell test trace
track transcribe transfer transform translate transpose trim turn understand update upload use validate vectorise
vectorize verify visualise visualize watch weigh write enable disable read rent run search see set sing speak spell
start state stop store style submit sum sync tailor think train unify view visit vote wait work add answer ask
assist bake book bring call change check code come complete comment cook copy correct cover cut design document do
email enjoy ease experiment file finish flag follow forecast frame go grade guess hear help highlight hire imagine
include increase instruct join know label layout look map mark match mention message model monitor move name note
open pack pass picture pitch place plan plot point print process program prompt quote raise recite reply request
respond return rhyme round sign slow sound speed spin sample stream structure sketch suggest support swap switch
table text tidy time title tweet type value video voice walk warn water wrap photograph film role-play deduplicate
fact-check double-check cross-check back-translate retell reimagine re-create recreate rework reword redraw reword
re-write
"""
# Also nouns or adjectives: as a second clause they need an object that shows the verb.
_AMBIGUOUS = """
answer book call change check clean close code comment complete contact contrast copy correct cover cut design
document draft email estimate experiment file film filter finish flag follow forecast format frame grade group guess
have help highlight import increase judge label list look map mark match measure message mix model monitor move name
note open order pack paint pass photograph pick picture pitch place plan play plot point polish post present print
process produce program prompt purchase quote rank rate read record rent report reply request research reserve
return review rhyme round run sample score search separate set share show sign sketch slow sound speed spin split
start state stop store stream structure study style support surprise swap switch table tag talk test text time title
tour track train trim turn tweet type upgrade use value video view visit voice vote walk water watch work
wrap download update export recap contact duplicate tidy point rework
"""
_IRREGULAR = {
    "write": ("writing", "written"),
    "rewrite": ("rewriting", "rewritten"),
    "draw": ("drawing", "drawn"),
    "make": ("making", "made"),
    "find": ("finding", "found"),
    "choose": ("choosing", "chosen"),
    "build": ("building", "built"),
    "read": ("reading", "read"),
    "take": ("taking", "taken"),
    "set": ("setting", "set"),
    "split": ("splitting", "split"),
    "get": ("getting", "got"),
    "cut": ("cutting", "cut"),
    "send": ("sending", "sent"),
    "buy": ("buying", "bought"),
    "tell": ("telling", "told"),
    "speak": ("speaking", "spoken"),
    "run": ("running", "run"),
    "trim": ("trimming", "trimmed"),
    "crop": ("cropping", "cropped"),
    "plan": ("planning", "planned"),
    "map": ("mapping", "mapped"),
    "plot": ("plotting", "plotted"),
    "tag": ("tagging", "tagged"),
    "stop": ("stopping", "stopped"),
    "spin": ("spinning", "spun"),
    "see": ("seeing", "seen"),
    "know": ("knowing", "known"),
    "teach": ("teaching", "taught"),
    "begin": ("beginning", "begun"),
    "do": ("doing", "done"),
    "give": ("giving", "given"),
    "refer": ("referring", "referred"),
    "transfer": ("transferring", "transferred"),
    "enroll": ("enrolling", "enrolled"),
}

LISTABLE = word_set("""
    answer book call check compare copy download email export highlight order plan play print purchase read record
    rent request research reserve return review search select send set share start stop study summarise summarize
    test transfer update visit watch write
    """)
"""Ambiguous verbs that are instructions rather than things when they end a list of instructions."""

AMBIGUOUS = word_set(_AMBIGUOUS)
VERBS = word_set(_CLEAR) | AMBIGUOUS


def _inflected(verb: str) -> tuple[str, str]:
    """The gerund and the participle: `translate` gives `translating`, `translated`."""
    if verb in _IRREGULAR:
        return _IRREGULAR[verb]
    if verb.endswith("e"):
        return verb[:-1] + "ing", verb + "d"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb + "ing", verb[:-1] + "ied"
    return verb + "ing", verb + "ed"


BASE_OF = MappingProxyType({form: verb for verb in sorted(VERBS) for form in _inflected(verb)})
"""From a gerund or participle to its verb."""

# What a verb leaves behind, by the nouns that later clauses call it.
PRODUCTS = MappingProxyType(
    {
        "analyse": "analysis",
        "analyze": "analysis",
        "answer": "answer",
        "assess": "assessment",
        "brainstorm": "ideas idea brainstorm",
        "calculate": "calculation number total value",
        "caption": "caption",
        "classify": "classification class category label labels classifications",
        "categorise": "category categories",
        "categorize": "category categories",
        "combine": "combination",
        "compare": "comparison differences similarities",
        "contrast": "contrast comparison differences",
        "compute": "number total value",
        "convert": "conversion",
        "critique": "critique criticism",
        "criticise": "criticism critique",
        "criticize": "criticism critique",
        "define": "definition",
        "describe": "description",
        "detect": "objects detections",
        "design": "design",
        "draft": "draft",
        "draw": "drawing picture image illustration sketch",
        "estimate": "estimate",
        "evaluate": "evaluation",
        "explain": "explanation",
        "forecast": "forecast",
        "gather": "information facts data",
        "identify": "entities objects",
        "illustrate": "illustration picture image drawing",
        "investigate": "findings investigation",
        "judge": "judgement judgment verdict",
        "list": "list items",
        "outline": "outline",
        "paint": "painting picture image",
        "paraphrase": "paraphrase",
        "plan": "plan",
        "predict": "prediction predictions",
        "propose": "proposal",
        "rank": "ranking",
        "rate": "rating",
        "recommend": "recommendation recommendations",
        "research": "research findings facts information",
        "review": "review",
        "revise": "revision",
        "rewrite": "rewrite",
        "score": "score",
        "search": "results",
        "simplify": "simplification",
        "sketch": "sketch drawing picture",
        "solve": "solution",
        "suggest": "suggestion suggestions",
        "summarise": "summary summaries",
        "summarize": "summary summaries",
        "transcribe": "transcript transcription transcripts speech",
        "translate": "translation translations",
        "verify": "verification",
    }
)

CREATORS = word_set("""
    add build compile compose construct create design develop devise draft draw formulate generate give invent list
    make outline paint plan prepare produce propose provide render sketch suggest tabulate write find gather extract
    get obtain retrieve identify collect illustrate brainstorm come search locate download fetch detect select
    """)
"""Verbs whose object is what they leave behind."""

TRANSFORMERS = word_set("""
    adapt add adjust apply capitalise capitalize change clean colorize colourise compress condense convert correct
    crop cut denoise edit enhance expand fix format highlight improve increase lower modify normalise normalize
    optimise optimize overlay paraphrase polish proofread reduce refine reformat remove rephrase replace resize
    restore rewrite shorten simplify slow speed stabilise stabilize stitch summarise summarize synchronise
    synchronize transform translate trim
    """)
"""Verbs that need something to work on; when the clause does not name it, it is what came before."""

IMAGE_VERBS = frozenset({"draw", "illustrate", "paint", "sketch", "redraw"})
IMAGE_NOUNS = word_set("""
    image images picture pictures drawing drawings illustration illustrations painting paintings photo photos
    photograph logo logos icon icons poster posters sketch sketches cartoon cartoons portrait portraits artwork
    wallpaper banner infographic
    """)
DERIVED = IMAGE_NOUNS | word_set("""
    abstract answer caption captions chart conclusion description diagram email explanation glossary graph headline
    audio file presentation introduction list moral outline overview quiz reply report response slogan slogans
    slideshow speech subtitle summary table tagline tags title titles transcript translation tweet verdict video
    voiceover animation conversation post
    """)
"""What is made of something else: named without an `of` or `about`, it is made of what came before."""
UNMAKEABLE = word_set(
    "video videos audio speech song songs music voiceover slideshow soundtrack animation animations podcast"
)
"""What no kind of step can produce: the language has text and images."""

EXTERNAL_VERBS = word_set("""
    attend book borrow buy call cancel deliver deploy download drive email enroll enrol install message order pay
    play post print publish purchase register rent reserve schedule sell send sms subscribe transfer tweet upload
    """)
"""Verbs that act in the world; without a tool a model can only write about them."""

ECONOMY_VERBS = word_set("""
    caption capitalise capitalize categorise categorize classify convert copy count deduplicate extract fix format
    label list name normalise normalize rename reorder rephrase shorten sort spell tag title transcribe trim
    """)
PREMIUM_VERBS = word_set("""
    analyse analyze argue assess code critique debug decide derive design devise diagnose evaluate implement
    investigate judge optimise optimize plan prove refactor research review solve strategise strategize verify
    """)

DETERMINERS = word_set("""
    a an the this that these those my your his her its our their it them him me us you one two three four five six
    seven eight nine ten each every all both some any another several many more what which who whom how where when
    why whether if for on up out off in into to from through with about
    """)

ABBREVIATIONS = word_set("""
    e.g i.e etc vs cf approx dr mr mrs ms prof st jr sr no vol fig eq dept inc ltd co corp est min max tel ext art
    sec ch pp p ca al gen col lt sgt rev hon gov sen rep u.s u.k u.n e.u ph.d m.d b.a m.a a.m p.m jan feb mar apr
    jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun
    """)
