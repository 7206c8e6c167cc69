// Fills in the names that fields have in JSON: protoc does, but what Python's reflection serves lacks them.
import type { DescriptorProto, FileDescriptorSet } from "@bufbuild/protobuf/wkt";

export function fillJsonNames(set: FileDescriptorSet): FileDescriptorSet {
  const fill = (message: DescriptorProto): void => {
    for (const field of [...message.field, ...message.extension]) field.jsonName ||= jsonName(field.name);
    message.nestedType.forEach(fill);
  };
  for (const file of set.file) {
    for (const field of file.extension) field.jsonName ||= jsonName(field.name);
    file.messageType.forEach(fill);
  }
  return set;
}

/** As protoc does: an underscore goes, and what follows it is a capital. */
function jsonName(name: string): string {
  return name.replace(/_+(.?)/g, (_, letter: string) => letter.toUpperCase());
}
