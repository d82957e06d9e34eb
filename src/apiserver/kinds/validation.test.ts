/** What is refused of objects, and in which words. Sources: pkg/apis/{core,batch}/validation, robfig/cron. */
import { describe, expect, test } from "vitest";
import { scheduleFault } from "../../resources/cron.ts";
import { quantityOf } from "../../resources/quantity.ts";
import type { Draft, Strategy } from "../served.ts";
import { CRON_JOB } from "./cron-job.ts";
import { SECRET } from "./plain.ts";
import { POD } from "./pod.ts";

function faults(strategy: Strategy, object: object): string[] {
  const draft = { metadata: { name: "a" }, ...structuredClone(object) } as Draft;
  strategy.setDefaults?.(draft);
  return (strategy.validate?.(draft) ?? []).map(({ field, message }) => `${field}: ${message}`);
}

describe("containers", () => {
  const container = (more: object) => ({
    kind: "Pod",
    spec: { containers: [{ name: "c", image: "i", ...more }] },
  });
  const init = (more: object) => ({
    kind: "Pod",
    spec: { containers: [{ name: "c", image: "i" }], initContainers: [{ name: "d", image: "i", ...more }] },
  });
  const path = "spec.containers[0]";
  test.each<[object, string[]]>([
    [
      container({ resources: { limits: { cpu: "-1" }, requests: { cpu: "-1" } } }),
      [
        `${path}.resources.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0`,
        `${path}.resources.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0`,
      ],
    ],
    [
      container({
        resources: { limits: { cpu: "300m", memory: "1Gi" }, requests: { cpu: "0.3", memory: "1025Mi" } },
      }),
      [
        `${path}.resources.requests: Invalid value: "1025Mi": must be less than or equal to memory limit of 1Gi`,
      ],
    ],
    [
      container({ terminationMessagePolicy: "Never" }),
      [
        `${path}.terminationMessagePolicy: Unsupported value: "Never": supported values: "FallbackToLogsOnError", "File"`,
      ],
    ],
    [
      container({ ports: [{ containerPort: 80, hostPort: 70_000, hostIP: "example.com" }] }),
      [
        `${path}.ports[0].hostPort: Invalid value: 70000: must be between 1 and 65535, inclusive`,
        `${path}.ports[0].hostIP: Invalid value: "example.com": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)`,
      ],
    ],
    [
      container({ restartPolicy: "Always" }),
      [`${path}.restartPolicy: Forbidden: may not be set for non-init containers`],
    ],
    [init({ restartPolicy: "Always", lifecycle: { preStop: { sleep: { seconds: 1 } } } }), []],
    [
      init({ restartPolicy: "Never" }),
      ['spec.initContainers[0].restartPolicy: Unsupported value: "Never": supported values: "Always"'],
    ],
    [
      init({ lifecycle: { preStop: { exec: { command: ["a"] } } } }),
      [
        "spec.initContainers[0].lifecycle: Forbidden: may not be set for init containers without restartPolicy=Always",
      ],
    ],
    [
      container({ lifecycle: { postStart: {}, preStop: { exec: {} } } }),
      [
        `${path}.lifecycle.postStart: Required value: must specify a handler type`,
        `${path}.lifecycle.preStop.exec.command: Required value`,
      ],
    ],
    [
      container({ livenessProbe: { httpGet: { port: 0 } }, readinessProbe: { tcpSocket: { port: "http" } } }),
      [`${path}.livenessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive`],
    ],
  ])("%j", (object, wanted) => {
    expect(faults(POD, object)).toEqual(wanted);
  });
});

test.each([
  ["100m", 0.1],
  ["1.5Gi", 1.5 * 2 ** 30],
  ["2e3", 2000],
  ["-1", -1],
  [".5", 0.5],
  [3, 3],
  ["1 Gi", undefined],
  ["", undefined],
])("the amount %j is %j", (text, amount) => {
  expect(quantityOf(text)).toBe(amount);
});

describe("CronJobs", () => {
  test.each<[string, string | undefined]>([
    ["*/5 * * * *", undefined],
    ["0 0 1 jan-mar mon,FRI", undefined],
    ["5/15 ? * * ?", undefined],
    ["@hourly", undefined],
    ["@every 1h", "unrecognized descriptor: @every 1h"],
    ["* * * *", "expected exactly 5 fields, found 4: [* * * *]"],
    ["60 * * * *", "end of range (60) above maximum (59): 60"],
    ["* * 0 * *", "beginning of range (0) below minimum (1): 0"],
    ["* 5-3 * * *", "beginning of range (5) beyond end of range (3): 5-3"],
    ["*/0 * * * *", "step of range should be a positive number: */0"],
    ["*/1/2 * * * *", "too many slashes: */1/2"],
    ["1-2-3 * * * *", "too many hyphens: 1-2-3"],
    ["x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'],
    ["TZ=UTC * * * * *", "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"],
  ])("the schedule %j", (schedule, fault) => {
    expect(scheduleFault(schedule)).toBe(fault);
  });

  const template = { spec: { restartPolicy: "Never", containers: [{ name: "c", image: "i" }] } };
  const cron = (more: object) => ({
    spec: { schedule: "* * * * *", jobTemplate: { spec: { template } }, ...more },
  });
  test.each<[object, string[]]>([
    [{ timeZone: "Europe/Berlin" }, []],
    [
      { timeZone: "Mars/North" },
      ['spec.timeZone: Invalid value: "Mars/North": unknown time zone Mars/North'],
    ],
    [
      { timeZone: "Local" },
      [
        'spec.timeZone: Invalid value: "Local": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones',
      ],
    ],
    [
      { concurrencyPolicy: "Maybe" },
      ['spec.concurrencyPolicy: Unsupported value: "Maybe": supported values: "Allow", "Forbid", "Replace"'],
    ],
    [
      { startingDeadlineSeconds: -1 },
      ["spec.startingDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0"],
    ],
  ])("%j", (more, wanted) => {
    expect(faults(CRON_JOB, cron(more))).toEqual(wanted);
  });
});

test.each<[string, Record<string, string>, string[]]>([
  ["Opaque", {}, []],
  ["kubernetes.io/basic-auth", {}, ["data[username]: Required value", "data[password]: Required value"]],
  ["kubernetes.io/basic-auth", { password: "" }, []],
  ["kubernetes.io/ssh-auth", {}, ["data[ssh-privatekey]: Required value"]],
  ["kubernetes.io/tls", { "tls.crt": "" }, ["data[tls.key]: Required value"]],
  ["kubernetes.io/dockerconfigjson", {}, ["data[.dockerconfigjson]: Required value"]],
  ["kubernetes.io/dockerconfigjson", { ".dockerconfigjson": "e30=" }, []],
])("a Secret of type %s with %j", (type, data, wanted) => {
  expect(faults(SECRET, { type, data })).toEqual(wanted);
});
