// Measures hnswlib on the vectors of a benchmark: node hnswlib.cjs DIMENSIONS
// FOLDER, where the folder has rows.f32, questions.f32 and truth.u32 (ten row
// numbers a question). Prints a line of JSON a width. What node takes to hand a
// question over is measured on an index of one row, and told apart.
const { HierarchicalNSW } = require('hnswlib-node');
const fs = require('fs');
const path = require('path');

const [dimensions, folder] = [Number(process.argv[2]), process.argv[3]];
const floats = (name) => {
  const b = fs.readFileSync(path.join(folder, name));
  return new Float32Array(b.buffer, b.byteOffset, b.length / 4);
};
const list = (all, i) => Array.from(all.subarray(i * dimensions, (i + 1) * dimensions));
const rows = floats('rows.f32');
const questions = floats('questions.f32');
const truth = new Uint32Array(floats('truth.u32').buffer.slice(0));
const n = rows.length / dimensions;
const asked = Array.from({ length: questions.length / dimensions }, (_, i) => list(questions, i));

const timed = (index) => {
  let best = Infinity;
  for (let round = 0; round < 5; round++) {
    const begin = process.hrtime.bigint();
    for (const q of asked) index.searchKnn(q, Math.min(10, index.getCurrentCount()));
    best = Math.min(best, Number(process.hrtime.bigint() - begin) / asked.length);
  }
  return best;
};

const one = new HierarchicalNSW('ip', dimensions);
one.initIndex(1, 16, 200, 100);
one.addPoint(list(rows, 0), 0);
const handing = timed(one);

const index = new HierarchicalNSW('ip', dimensions);
index.initIndex(n, 16, 200, 100);
const begin = Date.now();
for (let i = 0; i < n; i++) index.addPoint(list(rows, i), i);
const build = (Date.now() - begin) / 1000;
for (const ef of [16, 32, 64, 128, 256]) {
  index.setEf(ef);
  let found = 0;
  asked.forEach((q, i) => {
    const names = new Set(truth.subarray(i * 10, i * 10 + 10));
    for (const name of index.searchKnn(q, 10).neighbors) if (names.has(name)) found++;
  });
  const ns = timed(index);
  console.log(JSON.stringify({ ef, recall: found / asked.length / 10, ns: Math.round(ns), handing: Math.round(handing), build }));
}
