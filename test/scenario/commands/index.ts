import type { Command } from "../command.js";
import { apply } from "./apply.js";
import { awaits } from "./await.js";
import { begin } from "./begin.js";
import { cluster } from "./cluster.js";
import { compacted } from "./compacted.js";
import { config } from "./config.js";
import { conflicts } from "./conflicts.js";
import { cut } from "./cut.js";
import { end } from "./end.js";
import { equal } from "./equal.js";
import { heal } from "./heal.js";
import { holds } from "./holds.js";
import { http } from "./http.js";
import { lead } from "./lead.js";
import { link } from "./link.js";
import { logged } from "./logged.js";
import { mark } from "./mark.js";
import { metric } from "./metric.js";
import { open } from "./open.js";
import { order } from "./order.js";
import { pair } from "./pair.js";
import { position } from "./position.js";
import { regions } from "./regions.js";
import { remote } from "./remote.js";
import { resolve } from "./resolve.js";
import { same } from "./same.js";
import { sees } from "./sees.js";
import { show } from "./show.js";
import { start } from "./start.js";
import { stop } from "./stop.js";
import { successor } from "./successor.js";
import { unmoved } from "./unmoved.js";
import { wipe } from "./wipe.js";
import { witness } from "./witness.js";
import { write } from "./write.js";

/** Every command of the scripts by its name. */
export const COMMANDS: ReadonlyMap<string, Command> = new Map(
  Object.entries({
    apply,
    await: awaits,
    begin,
    cluster,
    compacted,
    config,
    conflicts,
    cut,
    end,
    equal,
    heal,
    holds,
    http,
    lead,
    link,
    logged,
    mark,
    metric,
    open,
    order,
    pair,
    position,
    regions,
    remote,
    resolve,
    same,
    sees,
    show,
    start,
    stop,
    successor,
    unmoved,
    wipe,
    witness,
    write,
  }),
);
