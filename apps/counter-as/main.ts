/**
 * counter-as is a server that counts: "up", "down", "reset", and "show", each
 * answered with the count.
 */
import { Message, serve, Status } from "../../sdk/assemblyscript/phi";

export { phi_message, phi_handle, phi_start } from "../../sdk/assemblyscript/phi";

let count: i64 = 0;

serve((m: Message): u32 => {
  const verb = m.text;
  if (verb == "up") count++;
  else if (verb == "down") count--;
  else if (verb == "reset") count = 0;
  else if (verb != "show") return Status.BadArgument;
  m.clear();
  m.setWord(0, count);
  return m.setText(count.toString());
});
