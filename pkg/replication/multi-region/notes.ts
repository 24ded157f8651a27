import type { LogLevel } from "../../runtime/index.js";
import type { RegionNote } from "./core/index.js";

interface NoteText {
  readonly level: LogLevel;
  readonly text: string;
}

export type RegionEvent =
  | RegionNote
  | "region_settled"
  | "region_foreign"
  | "region_unsettled"
  | "region_waits"
  | "region_clock_back"
  | "region_disagrees"
  | "region_facts_unknown";

/** How each event of a region reads in the log. */
export const REGION_NOTES: Readonly<Record<RegionEvent, NoteText>> = {
  region_reached: { level: "info", text: "[region] Telling another region from where it is" },
  region_unreachable: { level: "warn", text: "[region] Another region does not answer" },
  region_needs_copy: {
    level: "error",
    text: "[region] Another region needs a copy: what it lacks is not kept",
  },
  region_is_ahead: {
    level: "error",
    text: "[region] Another region has changes of this one that this one does not know: this is an old copy",
  },
  region_refuses: { level: "error", text: "[region] Another region refuses this one's changes" },
  region_clock_ahead: {
    level: "warn",
    text: "[region] Another region's clock is further ahead than is allowed for",
  },
  region_clock_back: { level: "info", text: "[region] Another region's clock is in bounds again" },
  region_given_up: { level: "error", text: "[region] Giving another region up" },
  region_relayed: { level: "info", text: "[region] Passing a third region's changes on" },
  region_settled: { level: "info", text: "[region] Settings written" },
  region_foreign: { level: "error", text: "[region] The data is another region's" },
  region_waits: { level: "warn", text: "[region] The founding waits for a member" },
  region_unsettled: { level: "error", text: "[region] The settings were refused" },
  region_disagrees: {
    level: "error",
    text: "[region] Another region has other settings; its changes are refused until they agree",
  },
  region_facts_unknown: { level: "warn", text: "[region] The state cannot be read now" },
};
