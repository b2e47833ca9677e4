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

/** Fifty prompts: those twenty and thirty more. */
export const FIFTY = [
  ...PROMPTS,
  ..."bread,cheese,glass,paper,soap,steel,honey,salt,wool,ink".split(",").map((thing) =>
    `How is ${thing} made?`
  ),
  ..."the moon,wind,snow,thunder,a volcano,sleep,coffee,yeast,rust,a magnet".split(",").map((
    thing,
  ) => `Why is there ${thing}, and what does it do?`),
  ..."a bicycle,a fridge,a telescope,the heart,a candle,a pump,a lock,a clock,a kite,a boat".split(
    ",",
  ).map((
    thing,
  ) => `Explain ${thing} to a child.`),
];
