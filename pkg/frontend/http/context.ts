import type { Awaitable } from "../../base/index.js";
import type { Logger, Timers } from "../../runtime/index.js";
import type { Service } from "../../service/index.js";
import type { ConnectionSignals } from "./connection-signals.js";
import type { HttpLimits } from "./limits.js";

/** What every route has at hand. */
export interface HttpContext {
  readonly service: Service;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly limits: HttpLimits;
  readonly signals: ConnectionSignals;
  /** Aborts when the server begins to close: streams end then. */
  readonly closing: AbortSignal;
  readonly metricsText: () => Awaitable<string>;
  /** Where a node serves HTTP, if that is known. */
  readonly httpOf: (nodeId: string) => string | undefined;
  /** As `httpOf`, and asks the node when it is not known yet. */
  readonly findHttp: (nodeId: string) => Awaitable<string | undefined>;
}
