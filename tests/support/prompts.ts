/**
 * Prompts for the tests that compare whole answers: topics of the embedded model, small talk, and
 * things it never learned.
 *
 * @module
 */

/** Twenty prompts. */
export const PROMPTS = [
  "Why does it rain?",
  "What is a rainbow?",
  "How do I descale a kettle?",
  "Explain the water cycle.",
  "how do bees make honey",
  "What does a router do?",
  "How can I sleep better?",
  "Why are leaves green?",
  "Outline: How can I remember what I learn?",
  "Tell me how bread rises.",
  "what is a computer virus",
  "How do birds fly?",
  "Why is the sea salty?",
  "Give me tips for a tidy kitchen.",
  "What is the capital of Mongolia?",
  "Hello!",
  "Write a poem about the number seven in French.",
  "How does a battery work?",
  "Outline: Why do we have seasons?",
  "x",
];

/** Fifty prompts: those twenty and thirty more, most of them about topics of the model. */
export const FIFTY = [
  ...PROMPTS,
  ..."fog,the wind,a volcano,an earthquake,a glacier,a desert,a coral reef,gravity,sound,light"
    .split(
      ",",
    ).map((thing) => `What is ${thing}?`),
  ..."cook rice,bake bread,iron a shirt,wash wool,repot a plant,grow tomatoes,pack a suitcase,read a map,take good notes,make a budget"
    .split(",").map((task) => `How do I ${task}?`),
  ..."the heart,the brain,a firewall,a compiler,a database,a cookie on websites,a glass,a bicycle,a telescope,a lock"
    .split(",").map((thing) => `Explain ${thing} to a child.`),
];
