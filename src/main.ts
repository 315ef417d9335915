#!/usr/bin/env node
/**
 * The program. Exit codes: 0 done; 1 it did not work; 2 the command line is wrong.
 *
 * Stripping types and compiling takes most of the start's time and 20 MB of memory, so what comes of it
 * is kept from one start to the next: beside the packages, where only who installed the program can
 * write, for it is code. (In a place that cannot be written, or for good by NODE_COMPILE_CACHE, as Node.js documents.)
 */
import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

const CACHE = fileURLToPath(new URL('../node_modules/.cache/sluice', import.meta.url))

enableCompileCache(process.env['NODE_COMPILE_CACHE'] ?? CACHE)
const { run } = await import('./cli/run.ts')
process.exitCode = await run(process.argv.slice(2))
