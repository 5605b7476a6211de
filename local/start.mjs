// npm start: installs what is missing, then runs everything from its sources.
import "./install-missing.mjs";
import path from "node:path";
import { runChild } from "./run-child.mjs";

const main = path.join(import.meta.dirname, "src", "main.ts");
runChild(["--conditions=source", "--import", import.meta.resolve("tsx"), main]);
