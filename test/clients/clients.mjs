// The client libraries for JavaScript, unmodified, against a gateway:
//   node clients.mjs URL KEY FOLDER-OF-node_modules
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";
import { test } from "node:test";

const [url, key, libraries] = process.argv.slice(2);
const require = createRequire(path.join(libraries, "here.js"));
const OpenAI = require("openai").default;
const Anthropic = require("@anthropic-ai/sdk").default;

const openai = new OpenAI({ baseURL: url + "/v1", apiKey: key });
const anthropic = new Anthropic({ baseURL: url, apiKey: key });
const messages = [{ role: "user", content: "Hi" }];
const schema = {
  type: "object",
  properties: { city: { type: "string", enum: ["Bern", "Rom"] } },
  required: ["city"],
  additionalProperties: false,
};
const inCity = (text) => assert.match(JSON.parse(text).city, /^(Bern|Rom)$/);

test("chat", async () => {
  const ask = { model: "tiny", messages, max_completion_tokens: 24, seed: 7 };
  const whole = await openai.chat.completions.create(ask);
  assert.ok(whole.choices[0].message.content.length > 0 && whole.usage.completion_tokens > 0);
  let text = "";
  for await (const chunk of await openai.chat.completions.create({ ...ask, stream: true })) {
    text += chunk.choices[0]?.delta?.content ?? "";
  }
  assert.equal(text, whole.choices[0].message.content);
  const helped = await openai.chat.completions.stream(ask).finalChatCompletion();
  assert.equal(helped.choices[0].message.content, text);
});

test("schema, parsed by the library", async () => {
  const format = { type: "json_schema", json_schema: { name: "city", schema, strict: true } };
  const answer = await openai.chat.completions.parse({ model: "tiny", messages, max_tokens: 50, response_format: format });
  inCity(answer.choices[0].message.content);
});

test("tools, run by the library", async () => {
  const seen = [];
  const runner = openai.chat.completions.runTools({
    model: "tiny", messages, max_tokens: 400, tool_choice: { type: "function", function: { name: "weather" } },
    tools: [{ type: "function", function: {
      name: "weather", description: "The weather in a city.", parameters: schema, parse: JSON.parse, strict: true,
      function: ({ city }) => { seen.push(city); return "sunny"; },
    } }],
  });
  await runner.done();
  assert.match(seen[0], /^(Bern|Rom)$/);
});

test("embeddings", async () => {
  const a = await openai.embeddings.create({ model: "use-lite", input: ["A dog barks.", "A hound is barking."] });
  const cos = a.data[0].embedding.reduce((sum, x, i) => sum + x * a.data[1].embedding[i], 0);
  assert.ok(cos > 0.5 && cos < 1.001, `cosine ${cos}`);
});

test("models", async () => {
  const names = [];
  for await (const m of openai.models.list()) names.push(m.id);
  assert.deepEqual(names, ["tiny", "use-lite"]);
  const others = [];
  for await (const m of anthropic.models.list()) others.push(m.id);
  assert.deepEqual(others, names);
});

test("responses", async () => {
  const ask = { model: "tiny", input: "Hi", max_output_tokens: 24, store: false, text: { format: { type: "json_schema", name: "city", schema, strict: true } } };
  const whole = await openai.responses.parse(ask);
  inCity(whole.output_text);
  const streamed = await openai.responses.stream(ask).finalResponse();
  inCity(streamed.output_text);
});

test("errors", async () => {
  const wrong = new OpenAI({ baseURL: url + "/v1", apiKey: "wrong" });
  await assert.rejects(wrong.models.list(), OpenAI.AuthenticationError);
  await assert.rejects(openai.chat.completions.create({ model: "none", messages }), OpenAI.NotFoundError);
  await assert.rejects(openai.chat.completions.create({ model: "tiny", messages, temperature: 9 }), OpenAI.BadRequestError);
  await assert.rejects(anthropic.messages.create({ model: "none", max_tokens: 5, messages }), Anthropic.NotFoundError);
  await assert.rejects(anthropic.messages.create({ model: "tiny", messages }), Anthropic.BadRequestError);
});

test("messages", async () => {
  const ask = { model: "tiny", max_tokens: 24, temperature: 0, messages };
  const whole = await anthropic.messages.create(ask);
  const streamed = await anthropic.messages.stream(ask).finalMessage();
  assert.deepEqual(streamed.content, whole.content);
  assert.equal(streamed.usage.output_tokens, whole.usage.output_tokens);
  const tools = [{ name: "weather", input_schema: schema }];
  const called = await anthropic.messages.stream({ ...ask, max_tokens: 400, tools, tool_choice: { type: "any" } }).finalMessage();
  assert.equal(called.stop_reason, "tool_use");
  const call = called.content.find((b) => b.type === "tool_use");
  assert.match(call.input.city, /^(Bern|Rom)$/);
  await anthropic.messages.create({
    ...ask, max_tokens: 8, tools, tool_choice: { type: "none" },
    messages: [...messages, { role: "assistant", content: called.content },
      { role: "user", content: [{ type: "tool_result", tool_use_id: call.id, content: "sunny" }] }],
  });
});
