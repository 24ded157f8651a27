export interface CodeBlock {
  readonly language: string;
  readonly text: string;
  /** The line of its opening fence, from 1. */
  readonly line: number;
}

/** The fenced blocks of a Markdown text, in order. */
export function codeBlocks(markdown: string): readonly CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let open: { language: string; line: number; text: string[] } | undefined;
  for (const [at, line] of markdown.split("\n").entries()) {
    const fence = /^```(\w*)\s*$/.exec(line);
    if (open === undefined) {
      if (fence) open = { language: fence[1] as string, line: at + 1, text: [] };
    } else if (fence) {
      blocks.push({ ...open, text: open.text.join("\n") });
      open = undefined;
    } else {
      open.text.push(line);
    }
  }
  if (open !== undefined) throw new Error(`the block of line ${open.line} is not closed`);
  return blocks;
}

/** Inline code and the blocks that are commands. */
export function commandTexts(markdown: string): readonly string[] {
  const shell = codeBlocks(markdown).filter(({ language }) => ["", "sh"].includes(language));
  const prose = markdown.replace(/^```[\s\S]*?^```/gm, "");
  return [
    ...shell.map(({ text }) => text.replace(/\\\n/g, " ")),
    ...[...prose.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code as string),
  ];
}

/** The anchors of a Markdown text's headings. */
export function anchors(markdown: string): ReadonlySet<string> {
  const headings = markdown.matchAll(/^#{1,6} (.+)$/gm);
  return new Set(
    [...headings].map(([, title]) =>
      (title as string)
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .replace(/ /g, "-"),
    ),
  );
}
