/** The sharer of apps/shared-region that is written in AssemblyScript. */
import { lastStatus, Message, named, REGION_SHARED, serve, Status, Window } from "../../../sdk/assemblyscript/phi";

export { phi_message, phi_handle, phi_start } from "../../../sdk/assemblyscript/phi";

let open: Window | null = null;

function map(bytes: u64): u32 {
  if (open) return Status.OK;
  const shared = named("shared");
  if (!shared) return lastStatus;
  const window = new Window(shared, 0, <u32>min<u64>(bytes, u32.MAX_VALUE), REGION_SHARED);
  if (!window.status) open = window;
  return window.status;
}

serve((m: Message): u32 => {
  const verb = m.text;
  const word = m.word(0);
  m.clear();
  if (verb == "map") return map(word);
  const window = open;
  if (!window) return Status.State;
  if (verb == "sum") {
    let sum: u64 = 0;
    for (let i: u32 = 0; i < window.bytes; i++) sum += load<u8>(window.at + i);
    m.setWord(0, sum);
    return Status.OK;
  }
  if (verb == "write") {
    for (let i: u32 = 0; i < window.bytes; i++) store<u8>(window.at + i, <u8>word);
    return Status.OK;
  }
  if (verb != "unmap") return Status.BadArgument;
  open = null;
  return window.unmap();
});
