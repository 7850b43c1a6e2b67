// A capsule in JavaScript: all of the protocol that a small server needs.
const fs = require("fs");

const HEAD = 72, MESSAGE = 144;
const NAMED = 0x4000, OUTPUT = 0x4002, SERVE = 0x4003, READY = 0x4004, BUDGET_INSPECT = 16;
const PART_MESSAGE = 4, PART_BYTES = 8;

function take(count) {
  const buffer = Buffer.alloc(count);
  for (let at = 0; at < count; ) {
    const n = fs.readSync(3, buffer, at, count - at, null);
    if (n === 0) process.exit(0); // the node is gone
    at += n;
  }
  return buffer;
}

function send(call, { handle = 0n, words = [], parts = 0, count = 0, body = Buffer.alloc(0) } = {}) {
  const frame = Buffer.alloc(4 + HEAD + body.length);
  frame.writeUInt32LE(HEAD + body.length, 0);
  frame.writeUInt16LE(call, 4);
  frame.writeUInt16LE(parts, 6);
  frame.writeUInt32LE(count, 12);
  frame.writeBigUInt64LE(handle, 20);
  words.forEach((word, i) => frame.writeBigUInt64LE(BigInt(word), 28 + 8 * i));
  body.copy(frame, 4 + HEAD);
  for (let at = 0; at < frame.length; ) at += fs.writeSync(3, frame, at);
}

function receive() {
  const frame = take(take(4).readUInt32LE(0));
  const words = [0, 1, 2, 3, 4, 5].map((i) => frame.readBigUInt64LE(24 + 8 * i));
  return { call: frame.readUInt16LE(0), status: frame.readUInt16LE(4), words, body: frame.subarray(HEAD) };
}

function ask(call, parts) {
  send(call, parts);
  const answer = receive();
  if (answer.status !== 0) throw new Error("status " + answer.status);
  return answer;
}

const bytes = (text) => ({ parts: PART_BYTES, count: Buffer.byteLength(text), body: Buffer.from(text) });

const budget = ask(NAMED, bytes("budget")).words[0];
const left = ask(BUDGET_INSPECT, { handle: budget }).words[0];
ask(OUTPUT, { ...bytes(`${left} bytes left\n`), words: [1] });
send(READY);
for (;;) {
  const { call, body } = receive();
  if (call !== SERVE) throw new Error("not a message");
  const length = body.readUInt16LE(MESSAGE - 8);
  const text = "node says " + body.toString("utf8", MESSAGE, MESSAGE + length);
  const answer = Buffer.alloc(MESSAGE + Buffer.byteLength(text));
  answer.writeUInt16LE(Buffer.byteLength(text), MESSAGE - 8);
  answer.write(text, MESSAGE);
  send(SERVE, { parts: PART_MESSAGE, body: answer });
}
