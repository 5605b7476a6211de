import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";

/** Commands that a document shows, with what it shows that they print. */
export interface ShellStep {
  /** Where they stand in the document, from 1. */
  readonly line: number;
  readonly commands: string;
  /** `…` stands for anything within a line; nothing is shown when it is left out. */
  readonly shown?: string;
}

/** What a step has printed, and how it has ended. */
export interface ShellResult {
  readonly output: string;
  readonly exitCode: number;
}

const fence = /^```(\w*)$/;

/** The shell blocks of a Markdown text, each with the text block that follows it, if any does. */
export function readShellSteps(markdown: string): ShellStep[] {
  const steps: ShellStep[] = [];
  let language: string | undefined;
  let block: string[] = [];
  let beganAt = 0;
  let follows = false;
  for (const [index, line] of markdown.split("\n").entries()) {
    const [isFence, opened = ""] = fence.exec(line) ?? [];
    if (isFence !== undefined && language === undefined) {
      [language, block, beganAt] = [opened, [], index + 2];
    } else if (isFence !== undefined) {
      const content = block.join("\n");
      const last = steps.at(-1);
      if (language === "sh") steps.push({ line: beganAt, commands: content });
      if (language === "text" && follows && last) steps.splice(-1, 1, { ...last, shown: content });
      follows = language === "sh";
      language = undefined;
    } else if (language !== undefined) {
      block.push(line);
    } else if (line.trim() !== "") {
      // A text block shows what was printed only right behind the commands.
      follows = false;
    }
  }
  return steps;
}

const endOfStep = "\u0001";

/** Runs steps in one shell, one after the other, as somebody does who copies them into a terminal. */
export async function runShellSteps(
  steps: readonly Pick<ShellStep, "commands">[],
  options: { readonly directory: string },
): Promise<ShellResult[]> {
  const script = steps.map(({ commands }) => `${commands}\nprintf '${endOfStep}%s${endOfStep}' $?`);
  const shell = spawn("bash", ["-c", `exec 2>&1\n${script.join("\n")}`], {
    cwd: options.directory,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const parts = (await text(shell.stdout)).split(endOfStep);
  return steps.map((_, index) => ({
    output: parts[2 * index] ?? "",
    exitCode: Number(parts[2 * index + 1] ?? Number.NaN),
  }));
}

/** Whether an output is what a document shows. */
export function isShown(output: string, shown: string): boolean {
  const pattern = shown
    .split("…")
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"))
    .join(".*");
  return new RegExp(`^${pattern}$`).test(output.replace(/\n$/, ""));
}
