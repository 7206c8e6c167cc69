#!/usr/bin/env node
// The command `lastmile-client`.
import { run } from "./command.ts";

process.exitCode = await run(process.argv.slice(2), (line) => console.error(line));
