/** ask-as asks a model by each method that phi.ts has: a word says which. */
import { Message, Model, lastStatus, mem_create, named, serve } from "../../../sdk/assemblyscript/phi";

export { phi_message, phi_handle, phi_start } from "../../../sdk/assemblyscript/phi";

const results: usize = memory.data(16, 8);

function vector(budget: u64): string {
  if (mem_create(budget, 4096, 0, results, results + 8)) return "no room";
  const v = new Model(named("encoder")).embed("a dog barks", load<u64>(results));
  let square: f32 = 0;
  for (let i = 0; i < v.length; i++) square += v[i] * v[i];
  return square > 0.99 && square < 1.01 ? v.length.toString() : "no unit";
}

serve((m: Message): u32 => {
  const verb = m.text;
  const model = new Model(named("llm"));
  let said = "";
  if (verb == "embed") {
    said = vector(named("budget"));
  } else if (verb == "map") {
    model.map();
    said = model.fileBytes.toString();
  } else if (verb == "device") {
    said = model.selectDevice();
  } else if (verb == "batch") {
    const batch = model.batchStart();
    model.batchAdd(batch, "Once", 3);
    model.batchAdd(batch, "Once", 3);
    said = model.batchEnd(batch).word(1) >= 32 ? "1" : "0";
  } else {
    said = model.ask("Once upon a time", 12);
  }
  if (lastStatus) return lastStatus;
  m.clear();
  return m.setText(said);
});
