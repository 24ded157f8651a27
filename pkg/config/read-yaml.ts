import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";

/** Longest file read, in characters; a configuration needs a hundredth of it. */
export const FILE_CHARACTERS_MAX = 262_144;
const DEPTH_MAX = 8;
const PROBLEMS_MAX = 50;

/** One value of the file, still as text, and where it stood. */
export interface FileValue {
  /** Path with dots. */
  readonly path: string;
  readonly text: string;
  readonly line: number;
}

export interface FileContents {
  readonly values: readonly FileValue[];
  readonly faults: readonly { readonly path: string; readonly sentence: string }[];
}

/**
 * Flattens a YAML document without building objects from it, so neither aliases nor keys like
 * `__proto__` can do anything. Never throws.
 */
export function readYaml(text: string): FileContents {
  if (text.length > FILE_CHARACTERS_MAX) {
    const sentence = `the file has ${text.length} characters; at most ${FILE_CHARACTERS_MAX} are read`;
    return { values: [], faults: [{ path: "file", sentence }] };
  }
  try {
    return readDocument(text);
  } catch (error) {
    const sentence = `not YAML: ${error instanceof Error ? error.message : String(error)}`;
    return { values: [], faults: [{ path: "file", sentence }] };
  }
}

function readDocument(text: string): FileContents {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const values: FileValue[] = [];
  const faults: { path: string; sentence: string }[] = [];
  for (const error of document.errors.slice(0, PROBLEMS_MAX)) {
    const { line } = lines.linePos(error.pos[0]);
    faults.push({ path: `line ${line}`, sentence: `not YAML: ${error.message}` });
  }
  if (faults.length > 0) return { values, faults };

  const fault = (path: string, sentence: string) => {
    if (faults.length < PROBLEMS_MAX) faults.push({ path: path || "file", sentence });
  };
  const lineOf = (node: Node) => lines.linePos(node.range?.[0] ?? 0).line;
  const scalarText = (node: unknown) =>
    isScalar(node) && node.value !== null
      ? typeof node.value === "string"
        ? node.value
        : (node.source ?? String(node.value))
      : undefined;

  const visit = (node: Node | null, path: string, depth: number): void => {
    if (node === null || (isScalar(node) && node.value === null)) {
      if (depth > 1) fault(path, "has no value; give one or take the line out");
    } else if (isAlias(node)) {
      fault(path, "is an alias; write the value out");
    } else if (depth > DEPTH_MAX) {
      fault(path, "is nested too deep");
    } else if (isMap(node)) {
      for (const pair of node.items) {
        const key = scalarText(pair.key);
        if (key === undefined) fault(path, "has a key that is not text");
        else visit(pair.value as Node | null, path ? `${path}.${key}` : key, depth + 1);
      }
    } else if (path === "") {
      fault(path, "must be a map of settings");
    } else if (isSeq(node)) {
      const items = node.items.map(scalarText);
      const texts = items.filter((item) => item !== undefined);
      if (texts.length < items.length) fault(path, "is a list of something else than texts");
      else values.push({ path, text: texts.join(","), line: lineOf(node) });
    } else {
      values.push({ path, text: scalarText(node) ?? "", line: lineOf(node) });
    }
  };
  visit(document.contents as Node | null, "", 0);
  return { values, faults };
}
