// Stands in for the TypeScript compiler in the bundled tools: they write TypeScript, and never compile it to anything.
export default {};
export { refuse as createDefaultMapFromNodeModules, refuse as createSystem, refuse as createVirtualCompilerHost };

function refuse(): never {
  throw new Error("only target=ts is there");
}
