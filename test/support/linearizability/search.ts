import { invariant } from "../../../pkg/base/index.js";
import { ABSENT, type Guarded, NONE } from "./guarded.js";
import type { Problem } from "./problem.js";
import { INITIAL_STATE, type RegisterState, step } from "./register.js";

export interface SearchLimits {
  /** Looks at operations under way. */
  readonly stepsMax: number;
  /** Configurations remembered as leading nowhere. */
  readonly deadEndsMax: number;
}

export interface SearchResult {
  readonly answer: "linearizable" | "violation" | "undecided";
  readonly steps: number;
}

/** A return that waits for its operation: what stood when it was reached, and what was tried. */
interface Choice {
  readonly position: number;
  readonly waiting: number;
  readonly state: RegisterState;
  readonly versionsPassed: number;
  readonly isIdle: boolean;
  readonly trailLength: number;
  pass: Pass;
  cursor: number;
}

/**
 * Which operations are tried: the waiting one (0), those that give it its value (1), other certain
 * ones (2), other optional ones (3), none (4). Optional ones come last because a dead end with more
 * of them to spare speaks for all with fewer.
 */
type Pass = 0 | 1 | 2 | 3 | 4;

/**
 * Looks for one order of a key's operations that explains every answer. Depth first, with
 * just-in-time linearization: events are walked in order, and only a return whose operation has no
 * place yet makes operations take effect. What changes nothing by its nature and fits takes its place at once.
 * Configurations that led nowhere are remembered, whole, not as hashes.
 */
export class Search {
  readonly #problem: Problem;
  readonly #limits: SearchLimits;
  readonly #placed: Uint8Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #readersLeft: Int32Array;
  /** What to undo, latest last: `i` was placed, `~i` was invoked. */
  readonly #trail: number[] = [];
  readonly #choices: Choice[] = [];
  /** By configuration without its spare optional operations: the lists of those that did not help. */
  readonly #deadEnds = new Map<string, (readonly number[])[]>();
  #deadEndCount = 0;
  /** Head and tail of the ring of operations that were invoked and have no place yet. */
  readonly #ring: number;
  #state: RegisterState = INITIAL_STATE;
  #versionsPassed = 0;
  /** The latest to take effect was optional, and nobody has found its effect yet. */
  #isIdle = false;
  #position = 0;
  #steps = 0;

  constructor(problem: Problem, limits: SearchLimits) {
    const count = problem.operations.length;
    this.#problem = problem;
    this.#limits = limits;
    this.#placed = new Uint8Array(count);
    this.#next = new Int32Array(count + 1);
    this.#previous = new Int32Array(count + 1);
    this.#ring = count;
    this.#next[count] = count;
    this.#previous[count] = count;
    this.#readersLeft = Int32Array.from(problem.readers);
  }

  /** Call once. */
  run(): SearchResult {
    while (this.#walk()) {
      this.#open();
      while (!this.#takeNext()) {
        const { stepsMax, deadEndsMax } = this.#limits;
        if (this.#steps > stepsMax || this.#deadEndCount > deadEndsMax)
          return this.#end("undecided");
        if (!this.#giveUp()) return this.#end("violation");
      }
      if (this.#steps > this.#limits.stepsMax) return this.#end("undecided");
    }
    return this.#end("linearizable");
  }

  #end(answer: SearchResult["answer"]): SearchResult {
    return { answer, steps: this.#steps };
  }

  /** @returns whether a return waits for its operation; otherwise all events are explained */
  #walk(): boolean {
    const { events, operations } = this.#problem;
    for (; this.#position < events.length; this.#position += 1) {
      const event = events[this.#position]!;
      if (event < 0) {
        if (this.#placed[~event] === 0) return true;
        continue;
      }
      this.#append(event);
      if (this.#fitsAsItIs(operations[event]!)) this.#place(event);
    }
    return false;
  }

  #open(): void {
    const waiting = ~this.#problem.events[this.#position]!;
    this.#choices.push({
      position: this.#position,
      waiting,
      state: this.#state,
      versionsPassed: this.#versionsPassed,
      isIdle: this.#isIdle,
      trailLength: this.#trail.length,
      pass: this.#isHopeless(waiting) || this.#isDeadEnd() ? 4 : 0,
      cursor: this.#ring,
    });
  }

  /** It must find a value that is not there and that nothing under way can write. */
  #isHopeless(waiting: number): boolean {
    const { operations } = this.#problem;
    const { needValue, negated } = operations[waiting]!;
    if (needValue === NONE || negated || needValue === this.#state.value) return false;
    for (let i = this.#first(); i !== this.#ring; i = this.#after(i)) {
      if (operations[i]!.sets === needValue) return false;
    }
    return true;
  }

  /** Lets the next candidate of the latest choice take effect. @returns whether there was one */
  #takeNext(): boolean {
    const choice = this.#choices.at(-1);
    invariant(choice !== undefined, "a candidate is taken for an open choice");
    for (;;) {
      const candidate = this.#nextCandidate(choice);
      if (candidate === NONE) return false;
      const after = this.#tryStep(candidate);
      if (after === undefined) continue;
      this.#place(candidate);
      this.#state = after;
      this.#placeAllThatFit();
      return true;
    }
  }

  #nextCandidate(choice: Choice): number {
    const { operations, twin } = this.#problem;
    const { waiting } = choice;
    if (choice.pass === 0) {
      choice.pass = 1;
      return waiting;
    }
    const wanted = operations[waiting]!.negated ? NONE : operations[waiting]!.needValue;
    while (choice.pass < 4) {
      choice.cursor = this.#after(choice.cursor);
      const candidate = choice.cursor;
      if (candidate === this.#ring) {
        choice.pass = (choice.pass + 1) as Pass;
        continue;
      }
      const { sets, optional } = operations[candidate]!;
      const pass = wanted !== NONE && sets === wanted ? 1 : optional ? 3 : 2;
      const earlierTwin = twin[candidate]!;
      const isSpare = earlierTwin !== NONE && this.#placed[earlierTwin] === 0;
      if (candidate !== waiting && pass === choice.pass && !isSpare) return candidate;
    }
    return NONE;
  }

  /** Undoes the latest choice for good. @returns whether there is one before it to go on with */
  #giveUp(): boolean {
    const choice = this.#choices.pop();
    invariant(choice !== undefined, "only an open choice is given up");
    this.#rememberDeadEnd(choice);
    const before = this.#choices.at(-1);
    if (before === undefined) return false;
    this.#undoTo(before.trailLength);
    this.#state = before.state;
    this.#versionsPassed = before.versionsPassed;
    this.#isIdle = before.isIdle;
    this.#position = before.position;
    return true;
  }

  /**
   * The state after an operation, unless that could not lead to the end, or an order without the
   * optional operation before it leads there as well.
   */
  #tryStep(index: number): RegisterState | undefined {
    const { operations, byVersion } = this.#problem;
    const operation = operations[index]!;
    const after = step(this.#state, operation);
    if (after === undefined) return undefined;
    if (operation.optional && after === this.#state) return undefined;
    if (operation.sets === NONE) return after;
    if (this.#isIdle && isUnconditional(operation)) return undefined;
    if (operation.version > 0 && byVersion[this.#versionsPassed] !== index) return undefined;
    const upcoming = byVersion[this.#versionsPassed + (operation.version > 0 ? 1 : 0)];
    if (upcoming !== undefined && after.version >= operations[upcoming]!.version) return undefined;
    if (this.#leavesReadersBehind(operation) || this.#startsTooEarly(operation)) return undefined;
    return after;
  }

  /** A value that is written once must have been found by all who find it, before it goes. */
  #leavesReadersBehind(operation: Guarded): boolean {
    const { value } = this.#state;
    const own = operation.needValue === value && !operation.optional ? 1 : 0;
    return this.#problem.unique[value] === 1 && this.#readersLeft[value]! > own;
  }

  /** Another value's reign is over before this one's, and has not begun. */
  #startsTooEarly({ sets, optional }: Guarded): boolean {
    const { blocks, blockOf, blockFrom } = this.#problem;
    const at = optional ? NONE : blockOf[sets]!;
    if (at === NONE) return false;
    const { lastInvoke } = blocks[at]!;
    for (let i = blockFrom[this.#position]!; i < blocks.length; i += 1) {
      const other = blocks[i]!;
      this.#steps += 1;
      if (other.firstReturn >= lastInvoke) return false;
      if (i !== at && this.#placed[other.producer] === 0) return true;
    }
    return false;
  }

  #fitsAsItIs(operation: Guarded): boolean {
    return operation.sets === NONE && step(this.#state, operation) === this.#state;
  }

  #placeAllThatFit(): void {
    const { operations } = this.#problem;
    for (let i = this.#first(); i !== this.#ring; i = this.#after(i)) {
      if (this.#fitsAsItIs(operations[i]!)) this.#place(i);
    }
  }

  #first(): number {
    return this.#after(this.#ring);
  }

  /** Every look at an operation is counted, so that limits bound the time. */
  #after(index: number): number {
    this.#steps += 1;
    return this.#next[index]!;
  }

  #append(index: number): void {
    const last = this.#previous[this.#ring]!;
    this.#next[last] = index;
    this.#previous[index] = last;
    this.#next[index] = this.#ring;
    this.#previous[this.#ring] = index;
    this.#trail.push(~index);
  }

  #place(index: number): void {
    this.#unlink(index);
    this.#placed[index] = 1;
    this.#trail.push(index);
    this.#countReader(index, -1);
    const { version, optional } = this.#problem.operations[index]!;
    this.#isIdle = optional;
    if (version > 0) this.#versionsPassed += 1;
  }

  #undoTo(trailLength: number): void {
    while (this.#trail.length > trailLength) {
      const undone = this.#trail.pop()!;
      if (undone < 0) {
        this.#unlink(~undone);
        continue;
      }
      this.#next[this.#previous[undone]!] = undone;
      this.#previous[this.#next[undone]!] = undone;
      this.#placed[undone] = 0;
      this.#countReader(undone, 1);
    }
  }

  #unlink(index: number): void {
    this.#next[this.#previous[index]!] = this.#next[index]!;
    this.#previous[this.#next[index]!] = this.#previous[index]!;
  }

  #countReader(index: number, by: number): void {
    const { needValue, negated, optional } = this.#problem.operations[index]!;
    if (needValue > ABSENT && !negated && !optional) {
      this.#readersLeft[needValue] = this.#readersLeft[needValue]! + by;
    }
  }

  #isDeadEnd(): boolean {
    if (this.#deadEndCount === 0) return false;
    const known = this.#deadEnds.get(this.#configuration());
    if (known === undefined) return false;
    const spare = this.#spareOptional();
    return known.some((more) => {
      this.#steps += more.length;
      return includesAll(more, spare);
    });
  }

  #rememberDeadEnd(choice: Choice): void {
    this.#undoTo(choice.trailLength);
    this.#state = choice.state;
    this.#position = choice.position;
    this.#isIdle = choice.isIdle;
    const configuration = this.#configuration();
    const known = this.#deadEnds.get(configuration);
    if (known === undefined) this.#deadEnds.set(configuration, [this.#spareOptional()]);
    else known.push(this.#spareOptional());
    this.#deadEndCount += 1;
  }

  /** All that the rest of the search depends on, but for the optional operations to spare. */
  #configuration(): string {
    const { operations } = this.#problem;
    const { value, version, exact, not } = this.#state;
    const flags = (exact ? 1 : 0) + (this.#isIdle ? 2 : 0);
    let text = `${this.#position},${value},${version},${flags},${not.join(";")}:`;
    for (let i = this.#first(); i !== this.#ring; i = this.#after(i)) {
      if (!operations[i]!.optional) text += `${i},`;
    }
    return text;
  }

  /** In order of invocation, as in the ring. */
  #spareOptional(): number[] {
    const { operations } = this.#problem;
    const spare: number[] = [];
    for (let i = this.#first(); i !== this.#ring; i = this.#after(i)) {
      if (operations[i]!.optional) spare.push(i);
    }
    return spare;
  }
}

/** Both ascending. */
function includesAll(all: readonly number[], some: readonly number[]): boolean {
  let at = 0;
  for (const wanted of some) {
    while (at < all.length && all[at]! < wanted) at += 1;
    if (all[at] !== wanted) return false;
  }
  return true;
}

function isUnconditional({ needValue, needPresent, needVersion }: Guarded): boolean {
  return needValue === NONE && !needPresent && needVersion === 0;
}
