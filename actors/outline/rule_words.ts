/**
 * The words that the outline router looks for, grouped by what they say about a question. Most are
 * English; the commonest words of a few other languages are there too.
 *
 * Each entry is a piece of a regular expression. {@linkcode mentions} and {@linkcode begins} join
 * them.
 *
 * @module
 */

/**
 * A regular expression that matches any entry of `lists` as whole words, anywhere in a text.
 * Letters of every script count as letters.
 */
export function mentions(...lists: readonly (readonly string[])[]): RegExp {
  return new RegExp(`(?<![\\p{L}\\p{N}])(?:${lists.flat().join("|")})(?![\\p{L}\\p{N}])`, "iu");
}

/** As {@linkcode mentions}, at the beginning of the text only. */
export function begins(...lists: readonly (readonly string[])[]): RegExp {
  return new RegExp(`^[¿¡"'\\s]*(?:${lists.flat().join("|")})(?![\\p{L}\\p{N}])`, "iu");
}

/** One of `words`, as a piece of a longer entry. */
export function oneOf(words: readonly string[]): string {
  return `(?:${words.join("|")})`;
}

/**
 * Phrases before a request that say nothing about it. They are removed before the rules are tried.
 */
export const FILLERS: readonly string[] = [
  "hi|hello|hey|hallo|hola|bonjour|salut",
  "so|ok|okay|well|um+|also",
  "please|pls|plz|kindly|bitte|por favor",
  "help(?=[!,. ]*[!,.])",
  "(?:can|could|would|will) (?:you|u|someone|anyone|anybody)(?: please| pls| kindly| perhaps| maybe)?(?= (?:me |help|explain|describe|list|give|suggest|recommend|outline|compare|contrast|tell|show|walk|provide|share|offer|discuss|teach|write|name|translate|fix|make|rewrite|summari[sz]e|compose|draft|continue|correct|shorten|solve|calculate|convert|create|put|say|break))",
  "(?:i would|i'd|i) (?:like|love|want|need)(?: you)? to(?= (?:know|explain|describe|list|give|suggest|tell|translate|understand|hear))(?: (?:know|understand|hear))?",
  "i (?:was|am|'m)? ?(?:just )?wonder(?:ing)?",
  "do you (?:know|happen to know)",
];

/**
 * Programmers' tools and notations. A question that names one need not be about code: see
 * {@linkcode CONCEPT}.
 */
export const CODE_TOOLS: readonly string[] = [
  "python|javascript|typescript|java|golang|kotlin|haskell|php|perl|powershell|bash|zsh|c\\+\\+|c#|js",
  "html|css|sql|json|xml|yaml|regex(?:p)?|regular expressions?|makefile|dockerfile|vlookup|excel formula",
  "vim|emacs|vscode|ssh|chmod|curl (?:command|request)|grep|awk|sudo|react(?= (?:component|hook|app|state|native))|angular|node\\.?js|from node",
  "dataframes?|numpy|django|cron|databases?|postgres|mysql|mongodb|sqlite|http|api|git|github|docker|kubernetes|kubectl|npm|pip|linux|ubuntu|terminal|command line|localhost",
  "(?:rust|swift|ruby|go|c)(?= (?:code|program|function|script|gem))|compiler|syntax error",
];

/** Words that point to code which the person has at hand. */
export const CODE_HERE: readonly string[] = [
  "(?:this|following|below) (?:code|function|script|snippet|program|query|method|loop|regex)|(?:my|the) (?:code|script|snippet|regex)|my (?:\\p{L}+ )?loop|show code",
  "in (?:rust|swift|ruby|go|c)(?=\\W*$)|stack ?trace|traceback|segfault|segmentation fault|null ?pointer|undefined is not",
  "\\w+(?:error|exception)(?=[: ?.]|$)(?<=[A-Za-z]Error|Exception)",
];

/** Beginnings of a question about a concept, even where that is a programmer's tool. */
export const CONCEPT: readonly string[] = [
  "what(?:'s|s)?|explain|describe|discuss|tell me about|compare|why (?:do|is|are|should)|how (?:does|is|are|did|do (?!i|you|we|u))|which",
];

/**
 * Words of questions about a craft as such. A list of points answers them even where the craft is
 * programming or mathematics.
 */
export const ABOUT_A_CRAFT: readonly string[] = [
  "pros|cons|advantages?|disadvantages?|benefits?|drawbacks?|best practices|good practices|reasons?|tips?|advice|habits",
  "learn|learning|beginners?|career|mistakes|skills?|get started|better|get into|strategies",
];

/** Things that are written in code. */
export const CODE_THINGS: readonly string[] = [
  "code|script|snippet|query|regex(?:p)?|algorithm|endpoint|unit tests?|test cases?|one-?liner|one liner",
  "web ?page|webpage|html page|macro|formula|parser|(?:linked list|binary tree|hash map|quicksort|merge sort|bubble sort|binary search)",
];

/** Things that are written in code where a programmer's verb stands before them. */
export const CODE_THINGS_TO_WRITE: readonly string[] = [
  "function|program|class|method|api|bug|loop|component",
];

/** Verbs that ask for a programmer's work. */
export const PROGRAMMING: readonly string[] = [
  "write|implement|code|debug|fix|refactor|optimi[sz]e|complete|convert|port",
];

/** Other verbs that ask for something to be made. */
export const MAKING: readonly string[] = ["create|build|generate|make|give me|show me|give|show"];

/** Words of calculations and proofs. */
export const MATHS: readonly string[] = [
  "calculate|compute|differentiate|factori[sz]e|disprove",
  "(?:solve|simplify|evaluate|integrate|derive|expand)(?= (?:this|the|for|an?|it|these)? ?(?:equations?|expressions?|system|integral|inequality|formula|function|x\\b|y\\b))",
  "equations?|integrals?|calculus|algebra|trigonometry|logarithms?|matri(?:x|ces)|theorem|derivative|determinant|eigenvalues?|polynomial|square root|cube root|remainder|hypotenuse|standard deviation",
  "(?:percent|percentage|%) of|least common multiple|greatest common divisor|prime (?:factors?|numbers?)|probability (?:of|that)",
  "how many (?:\\w+ )?(?:ways|combinations|permutations|possibilities|different ways)",
  "(?:roots|factors|multiples|divisors) of \\S*\\d+|(?:area|volume|perimeter|circumference|radius) of (?:a|an|the)",
  "(?:even|odd|negative|irrational|rational|complex|consecutive) (?:numbers?|integers?)|(?:sum|product) of (?:two|three|all|the first)",
  "(?:sum|product|difference|average|mean|median) (?:of|between) \\d+|convert \\d+|fit into \\d+",
];

/**
 * Matches formulas: digits with operators, unknowns, matrices. `24/7` and `50/50` are not formulas.
 */
export const FORMULA: RegExp =
  /\d\s*[+*×÷^=<>]\s*\d|\d\s+[-/]\s+\d|(?!24\/7|50\/50|9\/11)\b\d+\/\d+|\d\s*(?:plus|minus|times|divided by|modulo)\s*\d|\b[xyzn]\s*[-+*/^=<>]\s*\d|\b\d+\s?[xyz]\b|\d\s?%\s+of\b|\[\[|\b(?:sin|cos|tan|log|ln|sqrt)\s*\(|\|\s*[xyz]\b/i;

/** Matches code by its characters. */
export const CODE_MARKS: RegExp =
  /`|[;{}]\s*$|=>|[!=]==?|\bdef \w+\s*\(|#include|\b\w+\.\w+\(|\b\w+\(\w*(?:,\s*\w+)*\)\s*[{:;]|<\/?(?:div|p|span|html|body|script|a|ul|li)\b|\bfor \w+ in \*|\$\w+\b(?<=\$[a-z_]+)/i;

/** Words of riddles and word problems. */
export const PUZZLES: readonly string[] = [
  "riddles?|sudoku|brain ?teasers?|crossword|logic (?:puzzle|problem)|unscramble|anagrams?",
  "(?:what|who) am i(?=\\W*$)|does(?:n't| not) belong|odd one out|how (?:can|do|could|would) (?:you|i|we|he|she|they) (?:measure|get exactly|make exactly) \\d+|what comes next|next (?:number|letter|word) in|which one (?:is it|it is|is lying|lies)|one (?:of them )?(?:always )?lies",
  "(?:think|reason) step by step",
];

/** Beginnings of a word problem. */
export const PUZZLE_SCENES: readonly string[] = [
  "(?:there (?:are|is|were|was) )?(?:a|an|one|two|three|four|five|six|seven|eight|nine|ten|\\d+|\\d+ \\w+) (?:farmer|train|car|man|woman|king|prisoners?|snail|bat|ball|switches|doors|boxes|coins|balls|brothers?|sisters?|cars|trains|people|friends|guards?|ways|workers?|pipes?|ladder|clock|bottle|shop(?:keeper)?)",
  "(?:you|we) (?:have|are given|see|find|meet) (?:only )?(?:one|two|three|four|five|six|seven|eight|nine|ten|\\d+)",
  "if (?:all|some|every|no|i have|you have|i had|you had|a|an|one|two|three|\\d+)",
  "(?:alice|bob|anna|john|mary|tom|sally|peter|sam|jane) (?:has|have|had|is|are|was|buys|bought|gives|runs|walks|drives)",
  "i have (?:a |an )?[\\w ]{2,20} (?:but|and) no",
];

/** Names of languages in requests for a translation. */
export const LANGUAGES: readonly string[] = [
  "french|german|spanish|italian|portuguese|dutch|polish|russian|ukrainian|turkish|arabic|hebrew|hindi|chinese|mandarin|cantonese",
  "japanese|korean|latin|greek|swedish|danish|norwegian|finnish|czech|hungarian|romanian|english|swahili|welsh|irish",
  "deutsch|englisch|französisch|spanisch|italienisch|allemand|anglais|français|espagnol|italien|inglés|alemán|francés|español|italiano",
];

/** Orders to translate, at the beginning of a request. */
export const TRANSLATE: readonly string[] = [
  "translat(?:e|ion of)|übersetz(?:e|en)?|trad[uú][\\p{L}]+|vertaal|переведи",
  "(?:teach me |give me |tell me |what are )?(?:\\p{L}+ |\\d+ )?(?:words?|phrases) (?:of|in|from)|(?:how|what) (?:do|does|would|can|is|are) (?:you|u|we|one|people) (?:say|pronounce|spell)",
  "(?:wie (?:sagt|schreibt|heißt)|comment (?:dit-on|dit on|on dit|dire)|cómo se (?:dice|escribe)|come si dice|como se diz)",
];

/** Orders to work on a given text. */
export const EDITING: readonly string[] = [
  "summari[sz]e|rewrite|re-?phrase|paraphrase|proof-?read|shorten|condense|correct|edit|punctuate|reformat|classify|categori[sz]e",
  "extract|transcribe|fix|improve|polish|expand|turn|convert|change|simplify|make|sort|label|tag|complete|finish|find|count",
];

/** Words that point to a text within the message. */
export const THE_TEXT: readonly string[] = [
  "(?:this|the following|these|below|following) (?:following |next )?(?:text|sentences?|paragraphs?|e-?mails?|reviews?|articles?|passages?|essay|letter|list|table|words?|bullet points|bullets|story|poem|message|notes|summary|abstract|lines?|draft|cv|resume|names?|tips)(?: below| above)?",
  "(?:the|my) (?:text|passage|paragraph|sentence|article|essay|e-?mail|draft|list) (?:below|above|here)|(?:of|in|from) the (?:text|passage|paragraph|article)|here(?:'s| is| are) (?:my|the|a|an|some)",
  "tl;? ?dr|grammar:|spelling:",
  "(?:fasse?|résume[rz]?|resume|corrige[rz]?|korrigiere|verbessere|riassumi|reformule[rz]?)(?= )",
];

/** Kinds of text whose parts build on each other, and messages written in someone's name. */
export const TEXT_FORMS: readonly string[] = [
  "stor(?:y|ies)|poems?|poetry|haikus?|sonnet|limerick|lyrics|song|rap|novel|tale|fable|jokes?|dialogue|conversation|scene|screenplay|play|script|ballad|verses?|fairy ?tale",
  "letter|e-?mail|message|text|speech|toast|tweet|post|slogan|caption|headline|essay|obituary|diary|invitation|review|bio|biography|paragraph|sentence|monologue|reply|prayer",
  "gedicht|geschichte|märchen|brief|witz|lied|histoire|poème|lettre|blague|chanson|conte|cuento|poema|historia|carta|chiste|canción",
];

/**
 * Those of these texts that a request which names them nearly always asks for, unless it begins as
 * in {@linkcode ABOUT_THEM}.
 */
export const VERSES: readonly string[] = [
  "stor(?:y|ies)|poems?|haikus?|sonnets?|limericks?|lyrics|songs?|rap|rhymes?|jokes?|puns?|fables?|fairy ?tales?|speech|toast|letter|e-?mail|tweet|slogan|caption|essay|complaint|screenplay",
];

/** Beginnings of a question about such texts, which does not ask for one. */
export const ABOUT_THEM: readonly string[] = [
  "how|what|which|why|explain|describe|discuss|compare|tell me (?:how|about|why|what|the (?:signs|best|main))|(?:any|some|good|best|top|\\d+|five|ten)? ?(?:tips|advice|ideas|suggestions|ways)",
  "(?:give|tell|suggest|show|share|list|name|recommend|provide) (?:me |us )?(?:a list of |any |some |good |a few |\\d+ |five |ten )*(?:tips|advice|ideas|suggestions|ways|reasons|pros|arguments|examples|types)",
];

/** Orders to write such a text, at the beginning of a request. */
export const TELLING: readonly string[] = [
  "write|compose|tell|continue|make up|invent|draft|create|generate|sing|finish|give|come up with",
  "i (?:need|want)|schreib(?:e|en)?|erzähl(?:e|en)?|dichte|écri(?:s|vez|re)|raconte[rz]?|escrib[ea]|cuéntame|cuenta|scrivi|racconta|escreva",
];

/** Requests to play a part, or to go on with a story. */
export const ROLES: readonly string[] = [
  "(?:let'?s )?(?:role-?play|pretend)|imagine (?:you|that you|we|being)|act (?:as|like)|you are (?:a|an|the|now)|let's play|once upon a time",
  "continue|go on|keep going|carry on",
];

/** Lists that a request which begins with "write" may ask for. */
export const LISTS: readonly string[] = [
  "lists?|guide|overview|outline|checklist|introduction|reasons|tips|steps|ways|arguments|ideas|pros|instructions|plan",
];

/** Words that ask for a short answer. */
export const SHORT: readonly string[] = [
  "(?:in|with|using|as|only|just) (?:just |only |about )?(?:one|a single|1|two|2|three|\\d{1,2}|a few|few) (?:\\p{L}+ )?(?:words?|sentences?|lines?|phrases?|numbers?)",
  "in a (?:word|sentence|nutshell)|one[- ]word|one word|single (?:word|sentence|line)|briefly|just the (?:name|number|answer|result)|yes or (?:a )?no|yes\\/no|true or false|only (?:the|answer|reply|say)",
  "who (?:won|wins|is right)|synonyms?|antonyms?|rhymes? with|(?:another|different|other|better) word|opposite of|plural of|past tense|(?:as|in|valid) json|(?:word|term|name) for",
];

/** Superlatives and measures: questions about them are answered by one value. */
export const ONE_VALUE: readonly string[] = [
  "capital|population|names?|dates?|years?|currency|height|length|depth|distance|speed|temperature|(?:boiling|melting|freezing) point|chemical (?:symbol|formula)|formula|symbol|time|weather",
  "tallest|largest|smallest|biggest|fastest|longest|highest|deepest|oldest|youngest|richest|first|last|next|plural|definition|meaning|abbreviation|acronym|atomic number|average|area code|phone number",
  "national|official|closest|nearest|author|president|ceo|colou?rs?|price|cost|score|main ingredient|birthday|age|weight|best[- ]selling|exchange rate",
];

/** Beginnings of a question that is answered by a name, a number, a place or a date. */
export const FACTS: readonly string[] = [
  "who(?:'s|s)?|whose|whom|when|where(?! (?:do|should|can|could|would) (?:i|we|one) (?:start|begin))",
  "(?:in|on|at|from|since) (?:what|which|how many)(?! (?:different )?(?:ways?|respects))",
  "which (?:is|was|are|were|one|\\p{L}+ (?:is|was|has|had|won|lies|did|does|do you|comes?|came))",
  "which (?:countr(?:y|ies)|city|planets?|animal|year|river|ocean|team|president|language|gas|colou?r|organ|month|day|metal|continent|number|bank|mattress)",
  "how (?:old|tall|far|long|deep|high|heavy|big|large|fast|hot|cold|many|much|often|late|early|wide|strong|tall|expensive|soon)",
  "what (?:year|time|day|date|colou?r|country|city|language|animal|age|number|size|does .{1,40} (?:mean|stand for)|do .{1,30} mean)",
  `what(?:'s|s| is| was| are| were)(?: the| a| an)? ${oneOf(ONE_VALUE)}`,
  "define|spell|name (?:the|a|an|one)",
  "(?:wer|wann|wo|wohin|woher|wie viele?|wie (?:alt|groß|hoch|lang|weit|spät)|qui|quand|où|combien|quel âge|quién|cuándo|dónde|cuánt[oa]s?|chi|quando|quant[oie])",
];

/**
 * Verbs that begin a yes-or-no question. "was" before the words listed with it is German ("what").
 */
export const YES_NO: readonly string[] = [
  "was(?! (?:sind|ist|kann|kannst|können|hilft|bringt|macht|soll|sollte|spricht|muss|gibt|tun|für))",
  "is|are|were|does|do|did|has|have|had|will|would|can|could|should|may|must|am|isn't|aren't|doesn't|don't|won't|can't|shall",
  "gibt es|ist|sind|kann|est-ce que?|es|hay|è",
];

/** Phrases that open a conversation. */
export const SMALL_TALK: readonly string[] = [
  "hi|hello|hey|good (?:morning|afternoon|evening|night)|thanks|thank you|thx|ty|cheers|bye|goodbye|how are you|how's it going|what's up|whats up|nice to meet|who are you|what are you|what can you do|sorry|yes|yeah|no|nope|sure|great|cool|nice|lol|really|perfect|hallo|danke|merci|gracias|bonjour|hola",
];

/** Words of questions about the assistant itself. */
export const YOURSELF: readonly string[] = [
  "yourself|your (?:name|age|opinion|favou?rite|creator|model|maker)|are you (?:a|an|ok|there|real|human)",
  "do you (?:like|love|feel|think|dream|sleep|have (?:a|feelings|friends))|how are you|made you|created you|makes you tick",
  "how (?:do|can) you (?:work|answer|run|help|know|think|come up|learn|function)|how you (?:work|answer|think|run)|why are you|can you make|can i ask|teach me something|use this|(?:do you know|help me|some advice)(?=\\W*$)",
];

/** Words that point back into the conversation. */
export const POINTING_BACK: readonly string[] = [
  "you (?:just |already )?(?:said|mentioned|wrote|told|gave|listed|suggested|named)|your (?:last|previous|first|second|earlier) \\p{L}+",
  "(?:the )?(?:first|second|third|fourth|fifth|last|previous|other|\\d(?:st|nd|rd|th)) (?:one|ones|point|item|bullet|example|suggestion|answer|reason|tip|option|way)s?|the (?:former|latter)|(?:besides|except|apart from|than) (?:those|these|that|them)",
  "(?:explain|say|repeat) (?:that|this|it)(?: (?:again|more|better|simpler|differently))?|(?:that|this|it) again|i meant|(?:another|more) examples? of (?:that|this|it)",
  "make (?:it|this|that|them) (?:shorter|longer|simpler|better|funnier|more|less)|point (?:one|two|three|four|five|\\d)|number \\d",
];

/** Beginnings of a question about a short procedure, in which each step needs the one before. */
export const CHORES: readonly string[] = [
  "how (?:to|(?:do|can|would) (?:i|you|u|we|one)) (?:exit|install|download|upload|reset|cancel|unlock|delete|undo|enable|disable|turn (?:on|off)|log (?:in|out)|sign|tie|conjugate|invert|solve a|reboot|restart|uninstall|print|copy|paste|find out which|address a)",
];

/** Words that ask for advice. */
export const ADVICE: readonly string[] = [
  "tips?|advice|ideas|suggestions?|recommendations?|recommend|strateg(?:y|ies)|techniques?|methods|habits|practices|guidelines|checklist|steps|measures|precautions",
  "ways|way (?:to|of)|options|activities|hobbies|exercises|mistakes|things to|do'?s and don'?ts|arguments|topics|tricks|hacks|alternatives|tools|rules of|words of wisdom|(?:need|want|ought|have) to (?:know|consider)|to know before|looking for ideas",
  "what (?:now|to (?:do|pack|bring|say|wear|eat|look|consider|avoid|watch|see|expect|know))|what (?:helps|works|matters)|what (?:could|might|would|can) help|where (?:do|should|can|would) (?:i|we|one) (?:start|begin)",
];

/** Words that ask for a how-to. */
export const HOW_TO: readonly string[] = [
  "how to|how (?:can|could|should|might|would)(?! (?:you|i|we) (?:know|find out which))|how (?:do|does|d') (?:i|we|you|u|one|people|parents|teachers|students|companies)(?! (?:know|find (?:out )?which))",
  "guide|introduction|overview|prepare|get started|help me|teach me|show me how|walk me",
  "what (?:should|can|could|must) (?:[\\p{L}'-]+ ){1,5}?(?:do|consider|know|look|keep|contain|include|have|bring|pack|eat|try|avoid|expect|learn|watch|take|ask|check|see|visit|remember|make|cook|plant|use)",
];

/** Nouns that ask for a list of aspects. */
export const ASPECTS: readonly string[] = [
  "advantages?|disadvantages?|pros|cons|benefits?|upsides?|downsides?|drawbacks?|risks|dangers|threats|causes?|effects?|consequences|impacts?|implications|outcomes|reasons|factors|features|characteristics|traits|qualities|skills",
  "differences|difference between|similarities|types|kinds|sorts|categories|examples|uses|applications|functions|symptoms|signs|challenges|problems|issues|obstacles|aspects|principles|elements|components|parts|layers|stages|phases|periods|roles?|theories|schools of",
  "strengths|weaknesses|influences?|goes into|trends|lessons|values|goals|criteria|sides|compare|contrast|versus|vs\\.?|importance|treatments|remedies|myths|achievements|contributions|rules",
];

/** Beginnings of an explanation. */
export const EXPLAIN: readonly string[] = [
  "explain|describe|discuss|outline|analy[sz]e|tell me (?:about|how|why)|talk about",
  "why should|why (?:do|are|have) (?:so many |some |many |most )?(?:we|people|companies|businesses|start-?ups|students|children|kids|adults|workers|employees|projects|marriages|cities|countries|governments|empires|languages)|why (?:do|does|did) .{2,40} (?:fail|fall|collapse|decline|break out|succeed|matter)|why is (?:it (?:important|necessary|good|bad|useful|hard|difficult|better|so)|.{1,40} (?:important|popular|necessary|useful))|why are .{1,40} (?:important|popular|necessary|useful)",
  "how (?:does|do|did|has|have|will|can) .{2,60} (?:work|affect|change|changed|influence|influenced|help|helped|differ|shape|shaped|improve|protect|benefit|function|contribute)",
  "(?:top )?(?:\\d+|three|four|five|six|seven|eight|nine|ten) (?:[\\p{L}-]+ ){0,3}[\\p{L}-]+s (?:for|to|that|about|of|in|which|and why)",
  "(?:list|name|give me)? ?(?:the )?(?:best|top|most (?:popular|important|useful|common|famous|beautiful)) (?:[\\p{L}-]+ ){0,2}[\\p{L}-]+s (?:for|to|of|in)",
  "which (?:one )?(?:is|are) (?:better|healthier|more \\p{L}+|cheaper|safer|worth)",
  "what (?:makes|causes|caused|motivates|drives|influences|affects)|what are (?:some|the (?:main|key|major|most|best|basic|different|common|various|biggest|chief)|good|common|typical|popular|useful|great)",
];

/**
 * Words that ask for advice, aspects or an explanation in German, French, Spanish, Italian,
 * Portuguese and Dutch.
 */
export const OTHER_LANGUAGES: readonly string[] = [
  "tipps|vorteile|nachteile|vor- und nachteile|gründe|ursachen|folgen|auswirkungen|möglichkeiten|ideen|ratschläge|unterschiede?|maßnahmen|schritte|arten von|argumente|methoden|aspekte|merkmale|worauf (?:muss|sollte|soll)|was (?:kann|hilft|sollte|muss|soll|können|spricht)",
  "wie (?:[\\p{L}]+ )?(?:ich|man|wir)|erklär(?:e|en)?|beschreib(?:e|en)?|warum (?:ist es|sollte|sind|haben)",
  "conseils?|avantages|inconvénients|raisons|conséquences|moyens|idées|astuces|étapes|différences?|façons|méthodes|bienfaits|comment (?:puis|peut|peux|faire|pouvons|bien|mieux|[\\p{L}]+(?:er|ir|re))(?:-je|-on)?|expliqu(?:e|ez|er|e-moi)|décri(?:s|vez|re)|pourquoi (?:est-il|faut|les)|que faire",
  "consejos?|ventajas|desventajas|razones|causas|consecuencias|maneras|formas de|pasos|beneficios|diferencias?|métodos|cómo (?:puedo|podemos|puede|se puede|[\\p{L}]+[aei]r)|explica(?:me)?|por qué (?:es importante|los|las)|qué (?:puedo|debo|debería|hay que)|tener en cuenta",
  "consigli|vantaggi|svantaggi|motivi|benefici|differenze|come (?:posso|si può|[\\p{L}]+[aei]re)|spiega|dicas|vantagens|desvantagens|razões|benefícios|como posso|explique|voordelen|nadelen|redenen|hoe kan ik",
];
