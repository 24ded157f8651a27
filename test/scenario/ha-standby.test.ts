import { runScripts } from "./run-scripts.js";

runScripts("ha-standby");
