import { runScripts } from "./run-scripts.js";

runScripts("multi-region");
