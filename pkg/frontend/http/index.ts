export { HTTP_LIMITS, type HttpLimits } from "./limits.js";
export { PROBLEMS } from "./problem.js";
export {
  createHttpServer,
  type HttpServer,
  type HttpServerParts,
  type HttpTls,
} from "./server.js";
