/** @module What Calico's policies may be called. */
import { checkDnsLabel, checkDnsSubdomain, type TextRule } from "../decode/names.ts";

/** Written by Calico itself for other APIs' policies, and found in exports of older clusters. */
const LEGACY_PREFIX = /^(?:knp|ossg)\.default\./;
const MAX_LABELS = 2;

/** A DNS label, or two with a dot between: before 3.32 the tier was part of the name. */
export const checkPolicyName: TextRule = (name) => {
  const problems = checkDnsSubdomain(name);
  if (problems.length > 0 || LEGACY_PREFIX.test(name)) return problems;
  const labels = name.split(".");
  if (labels.length > MAX_LABELS) return ["must be a DNS label, or two of them with a dot between"];
  return labels.flatMap(checkDnsLabel);
};
