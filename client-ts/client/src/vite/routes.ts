// Tells which requests are the edge's: its own paths, methods by name, and the paths that are bound to methods.
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { fillJsonNames } from "../generator/json_names.ts";
import { readOptions } from "../generator/options.ts";

const OWN = /^\/(\.well-known\/(lastmile\/|jwks\.json)|openapi\.json|ws$|stream(\/|$)|hmr\/|tickets$)/;
const BY_NAME = /^\/[\w.]+\.[A-Z]\w*\/[A-Z]\w*$/;

/** Whether an edge answers this verb and path. */
export type Routes = (verb: string, path: string) => boolean;

export const ownRoutes: Routes = (_, path) => OWN.test(path) || BY_NAME.test(path);

export function routesOf(descriptors: Uint8Array): Routes {
  const files = [...createFileRegistry(fillJsonNames(fromBinary(FileDescriptorSetSchema, descriptors))).files];
  const options = readOptions(files);
  const methods = files.flatMap((file) => file.services.flatMap((service) => service.methods));
  const bound = methods.flatMap(options.routes).map(({ verb, path }) => ({ verb, pattern: pattern(path) }));
  return (verb, path) =>
    ownRoutes(verb, path) ||
    // Browsers ask with OPTIONS first, and HEAD is there where GET is.
    bound.some((each) => (each.verb === verb || /^(OPTIONS|HEAD)$/.test(verb)) && each.pattern.test(path));
}

/** `/v1/{name=a/*}/b/**:verb` as a regular expression. */
function pattern(template: string): RegExp {
  const plain = template.replace(/\{[^}=]+=([^}]*)\}/g, "$1").replace(/\{[^}]+\}/g, "*");
  const escaped = plain.replace(/[.+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${escaped.replaceAll("**", "\0").replaceAll("*", "[^/]+").replaceAll("\0", ".*")}$`);
}
