import { ABSENT, type Guarded, NONE } from "./guarded.js";

/** A register at one moment, as far as the answers pin it down. Never changed in place. */
export interface RegisterState {
  /** Value identity, or `ABSENT`. */
  readonly value: number;
  /** The version, when `exact`; otherwise the least that it can be. The next one is greater. */
  readonly version: number;
  readonly exact: boolean;
  /** Versions above `version` that it is known not to have; only when not `exact`. */
  readonly not: readonly number[];
}

const NOTHING: readonly number[] = [];

/** Every register starts absent, before version 1. */
export const INITIAL_STATE: RegisterState = {
  value: ABSENT,
  version: 0,
  exact: true,
  not: NOTHING,
};

/**
 * One step of the register.
 * @returns the state afterwards, the same object when nothing changed, or nothing when the operation
 * cannot take effect in this state with the outcome it had
 */
export function step(state: RegisterState, operation: Guarded): RegisterState | undefined {
  const found = find(state, operation);
  if (found === undefined || operation.sets === NONE) return found;
  return assign(found, operation.sets, operation.version);
}

/** The conditions, and what their holding tells about the version. */
function find(state: RegisterState, operation: Guarded): RegisterState | undefined {
  const { needValue, needPresent, needVersion, negated } = operation;
  const plainHolds =
    (needValue === NONE || state.value === needValue) && (!needPresent || state.value !== ABSENT);
  if (needVersion === 0) return plainHolds === !negated ? state : undefined;
  const versionMay = state.value !== ABSENT && mayHave(state, needVersion);
  if (!plainHolds || !versionMay) return negated ? state : undefined;
  if (state.exact) return negated ? undefined : state;
  return negated
    ? without(state, needVersion)
    : { value: state.value, version: needVersion, exact: true, not: NOTHING };
}

function mayHave(state: RegisterState, version: number): boolean {
  if (state.exact) return state.version === version;
  return version >= state.version && !state.not.includes(version);
}

function without(state: RegisterState, excluded: number): RegisterState {
  const not = [...state.not, excluded].sort((a, b) => a - b);
  let version = state.version;
  while (not[0] === version) {
    not.shift();
    version += 1;
  }
  return { value: state.value, version, exact: false, not: not.length === 0 ? NOTHING : not };
}

/** Writing what is there already may leave the version as it is, or not. */
function assign(state: RegisterState, value: number, version: number): RegisterState | undefined {
  const same = state.value === value;
  if (version > 0) {
    return version > state.version ? { value, version, exact: true, not: NOTHING } : undefined;
  }
  if (same && (value === ABSENT || (!state.exact && state.not.length === 0))) return state;
  const least = same ? state.version : state.version + 1;
  return { value, version: least, exact: value === ABSENT, not: NOTHING };
}
