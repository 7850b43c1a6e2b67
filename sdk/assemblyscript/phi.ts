/**
 * phi.ts is the library for programs on ΦOS that are written in AssemblyScript:
 * one file, nothing to install beside the compiler.
 *
 * A program owns nothing but its capabilities. It finds those that its manifest
 * asked for and its parent granted by their names, and calls others through
 * them. A program that answers messages says who does, and exports what the
 * node calls:
 *
 *     import { Message, serve } from "./phi";
 *     export { phi_message, phi_handle, phi_start } from "./phi";
 *
 *     serve((m: Message): u32 => m.setText("hello"));
 *
 * built with: asc main.ts -O --use abort= --exportStart _initialize -o main.wasm
 *
 * Every call returns a status: zero, or why nothing was done. What a pointer
 * names stays the caller's: the node copies what it needs before the call
 * returns.
 */

// Generated from package abi, not to be edited: go test ./sdk -rewrite

/** The statuses. */
export enum Status {
  OK = 0x0,
  BadHandle = 0x1,
  Revoked = 0x2,
  Rights = 0x3,
  Type = 0x4,
  BadCall = 0x5,
  BadArgument = 0x6,
  Range = 0x7,
  Overlap = 0x8,
  Depth = 0x9,
  Cycle = 0xa,
  Self = 0xb,
  TableFull = 0xc,
  PeerFull = 0xd,
  MailboxFull = 0xe,
  Empty = 0xf,
  Budget = 0x10,
  Limit = 0x11,
  NoMemory = 0x12,
  PinLimit = 0x13,
  PeerDead = 0x14,
  Timeout = 0x15,
  Killed = 0x16,
  Label = 0x17,
  Expired = 0x18,
  Exhausted = 0x19,
  Copies = 0x1a,
  Sealed = 0x1b,
  Busy = 0x1c,
  Denied = 0x1d,
  State = 0x1e,
  Unsupported = 0x1f,
  Authority = 0x20,
  Journal = 0x21,
}

/** The rights. */
export enum Rights {
  Read = 0x1,
  Write = 0x2,
  Map = 0x4,
  Execute = 0x8,
  Pin = 0x10,
  DMA = 0x20,
  Send = 0x40,
  Receive = 0x80,
  Grant = 0x100,
  Derive = 0x200,
  Revoke = 0x400,
  Invoke = 0x800,
  Manage = 0x1000,
  Inspect = 0x2000,
  Endorse = 0x4000,
  Declassify = 0x8000,
  Load = 0x10000,
  Run = 0x20000,
  Quantize = 0x40000,
  Delete = 0x80000,
}

/** The resources that budgets count. */
export enum Resource {
  Memory = 0x0,
  Slots = 0x1,
  CPU = 0x2,
  Tokens = 0x3,
  Network = 0x4,
  Energy = 0x5,
}

/** The types of object. */
export enum ObjectType {
  None = 0x0,
  Task = 0x1,
  Region = 0x2,
  Endpoint = 0x3,
  Notification = 0x4,
  Timer = 0x5,
  Interrupt = 0x6,
  Budget = 0x7,
  Reply = 0x8,
  Model = 0x9,
  File = 0xa,
  Socket = 0xb,
  Device = 0xc,
  Unit = 0xd,
}

/** The other numbers of the contract. */
export const MESSAGE_WORDS: u32 = 0x4;
export const MESSAGE_BYTES_MAX: u32 = 0x200;
export const MESSAGE_HANDLE_MAX: u32 = 0x8;
export const ARG_WORDS: u32 = 0x6;
export const PAYLOAD_BYTES_MAX: u32 = 0x10000;
export const REGION_SHARED: u32 = 0x1;
export const REGION_PRIVATE: u32 = 0x2;
export const GRANT_COPY: u32 = 0x0;
export const GRANT_MOVE: u32 = 0x1;
export const FAULT_EXIT: u32 = 0x1;
export const FAULT_PROGRAM: u32 = 0x10;
export const FAULT_RESUME: u32 = 0x0;
export const FAULT_KILL: u32 = 0x1;
export const UNLIMITED: u32 = 0xffffffff;

/** What word 3 of a request to a model says above the tokens, and why a text ended, in word 2 of the answer. */
export const AI_JSON: u64 = 0x100000000;
export const AI_STREAM: u64 = 0x200000000;
export const AI_NEXT: u64 = 0x400000000;
export const AI_STOP: u64 = 0x800000000;
export const AI_BATCH: u64 = 0x1000000000;
export const AI_NUMBER_SHIFT: u32 = 0x30;
export const AI_REASON_STOP: u32 = 0x1;
export const AI_REASON_LENGTH: u32 = 0x2;
export const AI_REASON_TOOLS: u32 = 0x3;
export const AI_REASON_BUDGET: u32 = 0x4;
export const AI_REASON_DEADLINE: u32 = 0x5;
export const AI_REASON_CANCELLED: u32 = 0x6;

/** Says what a status means and, where there is one, the remedy. */
export function statusText(status: u32): string {
  switch (status) {
    case 0: return "ok";
    case 1: return "no such capability in this task: the handle is stale, forged or another task's";
    case 2: return "the capability was revoked: ask its giver for a new one";
    case 3: return "the capability lacks a right that this call needs: ask its giver for a wider one";
    case 4: return "the capability is to another type of object";
    case 5: return "no such call: see the list of calls in docs/abi.md";
    case 6: return "an argument has a value that means nothing here";
    case 7: return "offset and length reach past the end";
    case 8: return "the window overlaps one that is mapped: unmap that one first";
    case 9: return "the chain is at its limit: derive from a capability nearer to the origin";
    case 10: return "the call would wait for its own caller";
    case 11: return "a task cannot grant to itself: derive instead";
    case 12: return "the capability table is full: delete a capability first";
    case 13: return "the receiver's capability table is full: it must delete a capability first";
    case 14: return "the mailbox is full: let the receiver catch up, then send again";
    case 15: return "nothing is there yet";
    case 16: return "the budget does not cover this: ask the parent for more";
    case 17: return "a limit of the kernel is reached";
    case 18: return "the machine is out of memory";
    case 19: return "the limit on pinned memory forbids this: raise RLIMIT_MEMLOCK or pin less";
    case 20: return "the other side is gone";
    case 21: return "the deadline has passed";
    case 22: return "this task was killed";
    case 23: return "the data's label exceeds what this sink accepts: endorse or declassify it first";
    case 24: return "the capability has expired: ask its giver for a new one";
    case 25: return "the capability's uses are spent: ask its giver for a new one";
    case 26: return "the capability may not be copied again: move it instead";
    case 27: return "the capability is sealed: unseal it first";
    case 28: return "someone else is using this: try again";
    case 29: return "a hook refused the call";
    case 30: return "the object's state does not allow this now";
    case 31: return "this machine cannot do this";
    case 32: return "this change of label exceeds the capability's authority";
    case 33: return "the journal cannot record this, so it was not done: check the journal's disk";
    default: return "unknown status";
  }
}

/* Where the fields of what the node reads lie, and how long it is. */
const LABEL_AT_SOURCES: usize = 0;
const LABEL_AT_READERS: usize = 8;
const LABEL_BYTES: usize = 16;
const MSG_AT_LABEL: usize = 0;
const MSG_AT_BADGE: usize = 16;
const MSG_AT_REPLY: usize = 24;
const MSG_AT_DEADLINE: usize = 32;
const MSG_AT_WORDS: usize = 40;
const MSG_AT_HANDLES: usize = 72;
const MSG_AT_LENGTH: usize = 136;
const MSG_AT_HANDLE_COUNT: usize = 138;
const MSG_AT_MOVES: usize = 139;
const MSG_AT_RESERVED: usize = 140;
const MSG_AT_DATA: usize = 144;
const MSG_BYTES: usize = 656;
const MINT_AT_RIGHTS: usize = 0;
const MINT_AT_PASS: usize = 4;
const MINT_AT_BADGE: usize = 8;
const MINT_AT_CEILING: usize = 16;
const MINT_AT_EXPIRES: usize = 32;
const MINT_AT_USES: usize = 40;
const MINT_AT_COPIES: usize = 44;
const MINT_AT_BASE: usize = 48;
const MINT_AT_BYTES: usize = 56;
const MINT_AT_PAYER: usize = 64;
const MINT_BYTES: usize = 72;

/* The functions of the node; docs/abi.md says what each does. */
// @ts-ignore: decorator
@external("phi:cap", "mint")
export declare function cap_mint(h: u64, p: usize, r: usize): u32;
// @ts-ignore: decorator
@external("phi:cap", "delete")
export declare function cap_delete(h: u64): u32;
// @ts-ignore: decorator
@external("phi:cap", "revoke")
export declare function cap_revoke(h: u64): u32;
// @ts-ignore: decorator
@external("phi:cap", "inspect")
export declare function cap_inspect(h: u64, p: usize, p2: usize): u32;
// @ts-ignore: decorator
@external("phi:cap", "seal")
export declare function cap_seal(h: u64, w: u64, r: usize): u32;
// @ts-ignore: decorator
@external("phi:cap", "unseal")
export declare function cap_unseal(h: u64, w: u64, r: usize): u32;
// @ts-ignore: decorator
@external("phi:cap", "named")
export declare function cap_named(p: usize, n: u32, r: usize): u32;
// @ts-ignore: decorator
@external("phi:ipc", "endpoint_create")
export declare function ipc_endpoint_create(h: u64, w: u64, w2: u64, p: usize, r: usize): u32;
// @ts-ignore: decorator
@external("phi:ipc", "call")
export declare function ipc_call(h: u64, p: usize): u32;
// @ts-ignore: decorator
@external("phi:ipc", "send")
export declare function ipc_send(h: u64, p: usize): u32;
// @ts-ignore: decorator
@external("phi:ipc", "receive")
export declare function ipc_receive(h: u64, p: usize): u32;
// @ts-ignore: decorator
@external("phi:ipc", "reply")
export declare function ipc_reply(h: u64, p: usize): u32;
// @ts-ignore: decorator
@external("phi:ipc", "reply_receive")
export declare function ipc_reply_receive(h: u64, w: u64, p: usize): u32;
// @ts-ignore: decorator
@external("phi:ipc", "charge")
export declare function ipc_charge(h: u64, w: u64, w2: u64): u32;
// @ts-ignore: decorator
@external("phi:ipc", "check")
export declare function ipc_check(h: u64): u32;
// @ts-ignore: decorator
@external("phi:ipc", "notification_create")
export declare function ipc_notification_create(h: u64, r: usize): u32;
// @ts-ignore: decorator
@external("phi:ipc", "signal")
export declare function ipc_signal(h: u64, w: u64): u32;
// @ts-ignore: decorator
@external("phi:ipc", "wait")
export declare function ipc_wait(h: u64, w: u64, w2: u64, r: usize): u32;
// @ts-ignore: decorator
@external("phi:ipc", "poll")
export declare function ipc_poll(h: u64, w: u64, r: usize): u32;
// @ts-ignore: decorator
@external("phi:ipc", "timer_create")
export declare function ipc_timer_create(h: u64, w: u64, w2: u64, r: usize): u32;
// @ts-ignore: decorator
@external("phi:ipc", "timer_arm")
export declare function ipc_timer_arm(h: u64, w: u64, w2: u64): u32;
// @ts-ignore: decorator
@external("phi:ipc", "timer_cancel")
export declare function ipc_timer_cancel(h: u64): u32;
// @ts-ignore: decorator
@external("phi:ipc", "interrupt_bind")
export declare function ipc_interrupt_bind(h: u64, w: u64, w2: u64): u32;
// @ts-ignore: decorator
@external("phi:ipc", "interrupt_ack")
export declare function ipc_interrupt_ack(h: u64): u32;
// @ts-ignore: decorator
@external("phi:mem", "create")
export declare function mem_create(h: u64, w: u64, w2: u64, r: usize, r2: usize): u32;
// @ts-ignore: decorator
@external("phi:mem", "map")
export declare function mem_map(h: u64, w: u64, w2: u64, w3: u64, w4: u32, r: usize): u32;
// @ts-ignore: decorator
@external("phi:mem", "unmap")
export declare function mem_unmap(w: u32): u32;
// @ts-ignore: decorator
@external("phi:mem", "read")
export declare function mem_read(h: u64, w: u64, p: usize, n: u32): u32;
// @ts-ignore: decorator
@external("phi:mem", "write")
export declare function mem_write(h: u64, w: u64, p: usize, n: u32): u32;
// @ts-ignore: decorator
@external("phi:mem", "pin")
export declare function mem_pin(h: u64): u32;
// @ts-ignore: decorator
@external("phi:mem", "unpin")
export declare function mem_unpin(h: u64): u32;
// @ts-ignore: decorator
@external("phi:mem", "settle")
export declare function mem_settle(h: u64, r: usize): u32;
// @ts-ignore: decorator
@external("phi:mem", "inspect")
export declare function mem_inspect(h: u64, p: usize, p2: usize): u32;
// @ts-ignore: decorator
@external("phi:mem", "ring_send")
export declare function mem_ring_send(w: u32, w2: u32, w3: u32, w4: u64, p: usize, n: u32): u32;
// @ts-ignore: decorator
@external("phi:mem", "ring_receive")
export declare function mem_ring_receive(w: u32, w2: u32, w3: u32, w4: u64, p: usize, n: u32): u32;
// @ts-ignore: decorator
@external("phi:sys", "task_create")
export declare function sys_task_create(h: u64, w: u64, w2: u64, w3: u64, r: usize, r2: usize): u32;
// @ts-ignore: decorator
@external("phi:sys", "task_grant")
export declare function sys_task_grant(h: u64, w: u64, w2: u64, p: usize, r: usize): u32;
// @ts-ignore: decorator
@external("phi:sys", "task_start")
export declare function sys_task_start(h: u64, w: u64, w2: u64): u32;
// @ts-ignore: decorator
@external("phi:sys", "task_kill")
export declare function sys_task_kill(h: u64): u32;
// @ts-ignore: decorator
@external("phi:sys", "task_inspect")
export declare function sys_task_inspect(h: u64, p: usize, p2: usize): u32;
// @ts-ignore: decorator
@external("phi:sys", "fault")
export declare function sys_fault(w: u64, w2: u64, w3: u64, w4: u64, p: usize): u32;
// @ts-ignore: decorator
@external("phi:sys", "exit")
export declare function sys_exit(w: u64): u32;
// @ts-ignore: decorator
@external("phi:sys", "argument")
export declare function sys_argument(r: usize): u32;
// @ts-ignore: decorator
@external("phi:sys", "budget_carve")
export declare function sys_budget_carve(h: u64, p: usize, r: usize): u32;
// @ts-ignore: decorator
@external("phi:sys", "budget_spend")
export declare function sys_budget_spend(h: u64, w: u64, w2: u64): u32;
// @ts-ignore: decorator
@external("phi:sys", "budget_inspect")
export declare function sys_budget_inspect(h: u64, w: u64, p: usize): u32;
// @ts-ignore: decorator
@external("phi:sys", "label_endorse")
export declare function sys_label_endorse(h: u64, w: u64): u32;
// @ts-ignore: decorator
@external("phi:sys", "label_declassify")
export declare function sys_label_declassify(h: u64, w: u64): u32;
// @ts-ignore: decorator
@external("phi:sys", "label_inspect")
export declare function sys_label_inspect(h: u64, p: usize): u32;
// @ts-ignore: decorator
@external("phi:ai", "infer")
export declare function ai_infer(h: u64, p: usize): u32;
// @ts-ignore: decorator
@external("phi:ai", "embed")
export declare function ai_embed(h: u64, p: usize): u32;
// @ts-ignore: decorator
@external("phi:ai", "map_model")
export declare function ai_map_model(h: u64, p: usize): u32;
// @ts-ignore: decorator
@external("phi:ai", "select_device")
export declare function ai_select_device(h: u64, p: usize): u32;
// @ts-ignore: decorator
@external("phi:ai", "batch_start")
export declare function ai_batch_start(h: u64, p: usize): u32;
// @ts-ignore: decorator
@external("phi:ai", "batch_end")
export declare function ai_batch_end(h: u64, p: usize): u32;
// End of the generated part.

/** Windows are offered in whole pages; regions of 2 MiB and more may lie in large ones. */
export const PAGE_BYTES: u32 = 4 << 10;
export const LARGE_PAGE_BYTES: u32 = 2 << 20;
/** The longest window. */
export const WINDOW_BYTES_MAX: u32 = 1 << 30;

/** What the last call that returns a value answered. */
export let lastStatus: u32 = 0;

const result: usize = memory.data(8, 8);

/** Finds the capability that was granted under a name; zero when there is none, see lastStatus. */
export function named(name: string): u64 {
  const text = String.UTF8.encode(name);
  lastStatus = cap_named(changetype<usize>(text), text.byteLength, result);
  return lastStatus ? 0 : load<u64>(result);
}

/** Returns what the program was started with. */
export function argument(): u64 {
  lastStatus = sys_argument(result);
  return lastStatus ? 0 : load<u64>(result);
}

/**
 * What a call, a send or a reply carries, laid out as the node reads it. Before
 * a call the program sets what goes along; after it, the same message holds the
 * answer.
 */
export class Message {
  private buffer: ArrayBuffer = new ArrayBuffer(<i32>MSG_BYTES);

  /** Where the message lies. */
  get at(): usize { return changetype<usize>(this.buffer); }

  get sources(): u64 { return load<u64>(this.at, MSG_AT_LABEL + LABEL_AT_SOURCES); }
  get readers(): u64 { return load<u64>(this.at, MSG_AT_LABEL + LABEL_AT_READERS); }

  /** That of the capability through which the message came. */
  get badge(): u64 { return load<u64>(this.at, MSG_AT_BADGE); }

  /** Answers a call that was received; zero when no answer is expected. */
  get reply(): u64 { return load<u64>(this.at, MSG_AT_REPLY); }

  /** Absolute nanoseconds at which a call gives up; zero waits for ever. */
  get deadline(): i64 { return load<i64>(this.at, MSG_AT_DEADLINE); }
  set deadline(when: i64) { store<i64>(this.at, when, MSG_AT_DEADLINE); }

  /** The words; their meaning is the service's. */
  word(i: u32): u64 { return i < MESSAGE_WORDS ? load<u64>(this.at + 8 * i, MSG_AT_WORDS) : 0; }
  setWord(i: u32, value: u64): void {
    if (i < MESSAGE_WORDS) store<u64>(this.at + 8 * i, value, MSG_AT_WORDS);
  }

  /** How many bytes of data there are, and where they lie. */
  get length(): u32 { return min<u32>(load<u16>(this.at, MSG_AT_LENGTH), MESSAGE_BYTES_MAX); }
  get data(): usize { return this.at + MSG_AT_DATA; }

  /** How many capabilities came along, and each of them. */
  get handleCount(): u32 { return min<u32>(load<u8>(this.at, MSG_AT_HANDLE_COUNT), MESSAGE_HANDLE_MAX); }
  handle(i: u32): u64 { return i < this.handleCount ? load<u64>(this.at + 8 * i, MSG_AT_HANDLES) : 0; }

  /** Sends a copy of a capability along; with moved, the capability itself. */
  attach(capability: u64, moved: bool = false): u32 {
    const i = this.handleCount;
    if (i >= MESSAGE_HANDLE_MAX) return Status.Range;
    store<u64>(this.at + 8 * i, capability, MSG_AT_HANDLES);
    store<u8>(this.at, <u8>(i + 1), MSG_AT_HANDLE_COUNT);
    if (moved) store<u8>(this.at, load<u8>(this.at, MSG_AT_MOVES) | <u8>(<u32>1 << i), MSG_AT_MOVES);
    return Status.OK;
  }

  get text(): string { return String.UTF8.decodeUnsafe(this.data, this.length); }

  /** Replaces the data; Status.Range for more than MESSAGE_BYTES_MAX bytes. */
  setText(text: string): u32 {
    const bytes = String.UTF8.encode(text);
    return this.setBytes(changetype<usize>(bytes), bytes.byteLength);
  }

  setBytes(from: usize, length: u32): u32 {
    if (length > MESSAGE_BYTES_MAX) return Status.Range;
    memory.copy(this.data, from, length);
    store<u16>(this.at, <u16>length, MSG_AT_LENGTH);
    return Status.OK;
  }

  /**
   * Empties the message of words, data and capabilities. A server clears the
   * request before it fills in the answer, unless it means to send parts of it
   * back.
   */
  clear(): void { memory.fill(this.at + MSG_AT_WORDS, 0, MSG_AT_DATA - MSG_AT_WORDS); }

  /** Sends the message to an endpoint and waits for the answer. */
  call(endpoint: u64): u32 { return ipc_call(endpoint, this.at); }

  /** Leaves the message in an endpoint's mailbox; never waits. */
  send(endpoint: u64): u32 { return ipc_send(endpoint, this.at); }

  /** Answers the call that was received into this message with what it holds now. */
  sendReply(): u32 { return ipc_reply(this.reply, this.at); }
}

/** A model that can be asked. What its methods answer is in lastStatus. */
export class Model {
  private message: Message = new Message();

  constructor(readonly handle: u64) {}

  /** Why the last text ended: one of AI_REASON_STOP and its like. */
  reason: u32 = 0;

  /**
   * Runs the model on a prompt of at most MESSAGE_BYTES_MAX bytes and returns
   * what it says, of at most so many tokens; zero is as many as fit.
   */
  ask(prompt: string, tokens: u32 = 0): string {
    let text = "";
    let piece = this.begin(prompt, AI_STREAM | tokens);
    if (lastStatus) return text;
    const number = this.message.word(0) << AI_NUMBER_SHIFT;
    do {
      piece = this.begin("", AI_NEXT | number);
      if (lastStatus) return text;
      text += piece;
      this.reason = <u32>this.message.word(2);
    } while (!this.reason);
    return text;
  }

  /** Runs the model on a request in JSON; the answer is JSON, cut to a message. */
  askJSON(request: string): string { return this.begin(request, AI_JSON); }

  /** Turns a text into a vector; room is a region for one that does not fit into a message. */
  embed(text: string, room: u64 = 0): StaticArray<f32> {
    const m = this.message;
    m.clear();
    lastStatus = m.setText(text);
    if (!lastStatus && room) lastStatus = m.attach(room);
    if (!lastStatus) lastStatus = ai_embed(this.handle, m.at);
    const bytes: u32 = lastStatus ? 0 : <u32>m.word(1);
    const vector = new StaticArray<f32>(bytes / 4);
    if (bytes > MESSAGE_BYTES_MAX) lastStatus = mem_read(room, 0, changetype<usize>(vector), bytes);
    else memory.copy(changetype<usize>(vector), m.data, bytes);
    return vector;
  }

  /** Asks for a region that shows the model's file; fileBytes is its length. */
  map(): u64 {
    this.message.clear();
    lastStatus = ai_map_model(this.handle, this.message.at);
    this.fileBytes = lastStatus ? 0 : this.message.word(1);
    return lastStatus ? 0 : this.message.handle(0);
  }

  fileBytes: u64 = 0;

  /** Asks which unit would run the model, under constraints in JSON or none. */
  selectDevice(constraints: string = ""): string {
    const m = this.message;
    m.clear();
    lastStatus = m.setText(constraints);
    if (!lastStatus) lastStatus = ai_select_device(this.handle, m.at);
    return lastStatus ? "" : m.text;
  }

  /** Opens a batch and returns its number; zero when it was refused. */
  batchStart(): u64 {
    this.message.clear();
    lastStatus = ai_batch_start(this.handle, this.message.at);
    return lastStatus ? 0 : this.message.word(0);
  }

  /** Puts a prompt into a batch and returns its place. */
  batchAdd(batch: u64, prompt: string, tokens: u32 = 0): u64 {
    this.begin(prompt, AI_BATCH | (batch << AI_NUMBER_SHIFT) | tokens);
    return this.message.word(0);
  }

  /** Runs a batch; the message holds the answers, as docs/abi.md lays them out. */
  batchEnd(batch: u64, room: u64 = 0): Message {
    const m = this.message;
    m.clear();
    m.setWord(3, batch << AI_NUMBER_SHIFT);
    lastStatus = room ? m.attach(room) : 0;
    if (!lastStatus) lastStatus = ai_batch_end(this.handle, m.at);
    return m;
  }

  /** One request, and the data of its answer. */
  private begin(body: string, word: u64): string {
    const m = this.message;
    m.clear();
    lastStatus = m.setText(body);
    m.setWord(3, word);
    if (!lastStatus) lastStatus = ai_infer(this.handle, m.at);
    return lastStatus ? "" : m.text;
  }
}

/** How a derived capability is less than the one it comes from. */
export class Mint {
  private buffer: ArrayBuffer = new ArrayBuffer(<i32>MINT_BYTES);

  /** Asks for the given rights, to use and to pass on, and changes nothing else. */
  constructor(rights: u32) {
    this.rights = rights;
    this.pass = rights;
    this.sources = u64.MAX_VALUE;
    this.uses = UNLIMITED;
    this.copies = UNLIMITED;
  }

  get at(): usize { return changetype<usize>(this.buffer); }
  set rights(v: u32) { store<u32>(this.at, v, MINT_AT_RIGHTS); }
  set pass(v: u32) { store<u32>(this.at, v, MINT_AT_PASS); }
  set badge(v: u64) { store<u64>(this.at, v, MINT_AT_BADGE); }
  set sources(v: u64) { store<u64>(this.at, v, MINT_AT_CEILING + LABEL_AT_SOURCES); }
  set readers(v: u64) { store<u64>(this.at, v, MINT_AT_CEILING + LABEL_AT_READERS); }
  set expires(v: i64) { store<i64>(this.at, v, MINT_AT_EXPIRES); }
  set uses(v: u32) { store<u32>(this.at, v, MINT_AT_USES); }
  set copies(v: u32) { store<u32>(this.at, v, MINT_AT_COPIES); }
  set base(v: u64) { store<u64>(this.at, v, MINT_AT_BASE); }
  set bytes(v: u64) { store<u64>(this.at, v, MINT_AT_BYTES); }
  set payer(v: u64) { store<u64>(this.at, v, MINT_AT_PAYER); }

  /** Derives the capability; zero when it was refused, see lastStatus. */
  derive(from: u64): u64 {
    lastStatus = cap_mint(from, this.at, result);
    return lastStatus ? 0 : load<u64>(result);
  }
}

/**
 * A part of a region that shows in the program's own memory, at the address at.
 * Once the capability is revoked, it reads as zeros.
 */
export class Window {
  at: usize = 0;
  private place: usize = 0;

  /** Shows bytes of a region from offset on, both multiples of PAGE_BYTES; see status. */
  constructor(region: u64, offset: u64, readonly bytes: u32, mode: u64) {
    if (bytes == 0 || bytes % PAGE_BYTES || bytes > WINDOW_BYTES_MAX) {
      this.status = Status.Range;
    } else {
      const align: u32 = bytes < LARGE_PAGE_BYTES ? PAGE_BYTES : LARGE_PAGE_BYTES;
      this.place = heap.alloc(<usize>(bytes + align));
      this.at = (this.place + align - 1) & ~(<usize>align - 1);
      this.status = mem_map(region, offset, bytes, mode, <u32>this.at, result);
      if (this.status) this.free();
    }
  }

  /** What mapping it answered. */
  status: u32 = 0;

  /** Takes the window away; its memory is the program's own again. */
  unmap(): u32 {
    if (!this.place) return Status.State;
    const status = mem_unmap(<u32>this.at);
    if (!status) this.free();
    return status;
  }

  private free(): void {
    heap.free(this.place);
    this.place = 0;
  }
}

/**
 * Passes messages of one size between two programs through a window that both
 * have. After the wait, zero for none, the answer is Status.Timeout, or
 * Status.Empty without one.
 */
export class Ring {
  /** The size of a message is a multiple of 64, the slots a power of two. */
  constructor(readonly at: usize, readonly messageBytes: u32, readonly slots: u32) {}

  send(from: usize, length: u32, waitNanoseconds: u64): u32 {
    return mem_ring_send(<u32>this.at, this.messageBytes, this.slots, waitNanoseconds, from, length);
  }

  receive(into: usize, length: u32, waitNanoseconds: u64): u32 {
    return mem_ring_receive(<u32>this.at, this.messageBytes, this.slots, waitNanoseconds, into, length);
  }
}

// What the node calls in a program that serves.

let handler: ((m: Message) => u32) | null = null;
let starter: ((argument: u64) => u32) | null = null;
const served = new Message();

/** Names who answers messages, one at a time, leaving the answer in the message. */
export function serve(handle: (m: Message) => u32): void { handler = handle; }

/** Names what is called once before the first message, with the program's argument. */
export function onStart(start: (argument: u64) => u32): void { starter = start; }

export function phi_message(): usize { return served.at; }

export function phi_handle(): u32 {
  const handle = handler;
  return handle ? handle(served) : Status.Unsupported;
}

export function phi_start(argument: u64): u32 {
  const start = starter;
  return start ? start(argument) : Status.OK;
}
