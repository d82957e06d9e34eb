/**
 * @module Labels in the form in which a cluster stores Calico's objects. Calico folds an object's own metadata into one
 * annotation and takes the labels out of where they stood: without the annotation no selector would find the object.
 */
import { Cursor, type Fields, orAbsent } from "./cursor.ts";

const FOLDED = "projectcalico.org/metadata";

/** @returns absent for objects of other APIs, and for those that hold no folded metadata */
export function storedLabels(apiVersion: string, annotations: Fields | undefined): Cursor | undefined {
  if (!apiVersion.startsWith("crd.projectcalico.org/")) return undefined;
  const folded = annotations?.at(FOLDED);
  if (typeof folded?.value !== "string") return undefined;
  const metadata = new Cursor(folded.report, parse(folded.value), folded.path);
  if (metadata.isMapping) return orAbsent(metadata.fields())?.at("labels");
  folded.error("invalid-stored-metadata", "is no JSON object, so the object's labels are not known");
  return undefined;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
