export {
  formatHostPort,
  type HostPort,
  isLoopback,
  isWildcard,
  type PeerAddress,
} from "./address.js";
export type {
  ClusterConfig,
  Config,
  EndpointConfig,
  HaConfig,
  LogKeepingConfig,
  RaftConfig,
  RegionConfig,
  TlsConfig,
} from "./config.js";
export type { Auth, SyncFallback } from "./kinds.js";
export { type LoadedConfig, type LoadOptions, loadConfig, type Origin } from "./load.js";
export { ConfigError, type Problem, renderProblems } from "./problem.js";
export { FILE_CHARACTERS_MAX } from "./read-yaml.js";
export { renderConfig } from "./render.js";
export { Secret } from "./secret.js";
export type { SettingName } from "./settings.js";
