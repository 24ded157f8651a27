import { readFileSync } from "node:fs";
import path from "node:path";
import { ROOT } from "./nornicd.js";

/** Names of the metrics that a section of the page for operators tells of. */
export function documentedMetrics(section: string): readonly string[] {
  const page = readFileSync(path.join(ROOT, "docs/operations/monitoring.md"), "utf8");
  const [, own = ""] = page.split(new RegExp(`^#+ ${section}$`, "m"));
  const [table = ""] = own.split(/^#/m);
  const rows = [...table.matchAll(/^\| (`nornicdb_\w+`(?:, `nornicdb_\w+`)*) \|/gm)];
  return rows.flatMap(([, cell = ""]) => cell.replaceAll("`", "").split(", "));
}

/** Names of the metrics in what a node tells Prometheus. */
export function shownMetrics(text: string): readonly string[] {
  return [...text.matchAll(/^# TYPE (nornicdb_\w+) /gm)].map(([, name]) => name as string);
}
