#!/usr/bin/env node
// The plugin that protoc and buf call.
import { runNodeJs } from "@bufbuild/protoplugin";
import { plugin } from "./plugin.ts";

runNodeJs(plugin);
