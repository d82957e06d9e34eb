/** @module How the lists and maps of Kubernetes' own kinds merge. The facts are those of the API's type definitions. */
import { type FieldMerge, type ListKey, type MergeSchema, mergeSchemaOfOpenApi } from "./merge-schema.ts";

/** A list which both ways of merging join by the same one field. */
function byKey(key: string, of?: MergeSchema): FieldMerge {
  return { patchKey: key, list: [{ name: key }], ...(of && { of }) };
}

const PROTOCOL: ListKey = { name: "protocol", default: "TCP" };
const ATOMIC: FieldMerge = { atomic: true };
const SET: FieldMerge = { list: "set" };
/** The same set for both ways of merging. */
const PRIMITIVES: FieldMerge = { patchKey: true, list: "set" };

function part(fields: Readonly<Record<string, FieldMerge>>): FieldMerge {
  return { of: { fields } };
}

const METADATA: MergeSchema = {
  fields: { ownerReferences: byKey("uid"), finalizers: PRIMITIVES },
};

const RESOURCES: FieldMerge = part({ claims: { list: [{ name: "name" }] } });

const CONTAINER: MergeSchema = {
  fields: {
    ports: { patchKey: "containerPort", list: [{ name: "containerPort" }, PROTOCOL] },
    env: byKey("name", {
      fields: {
        valueFrom: part({
          fieldRef: ATOMIC,
          resourceFieldRef: ATOMIC,
          configMapKeyRef: ATOMIC,
          secretKeyRef: ATOMIC,
          fileKeyRef: ATOMIC,
        }),
      },
    }),
    resources: RESOURCES,
    volumeMounts: byKey("mountPath"),
    volumeDevices: byKey("devicePath"),
  },
};

const CLAIM_SPEC: FieldMerge = part({ selector: ATOMIC, dataSource: ATOMIC });
const SECRET_REF: FieldMerge = part({ secretRef: ATOMIC });

const VOLUME: MergeSchema = {
  fields: {
    cephfs: SECRET_REF,
    cinder: SECRET_REF,
    csi: part({ nodePublishSecretRef: ATOMIC }),
    ephemeral: part({ volumeClaimTemplate: part({ metadata: { of: METADATA }, spec: CLAIM_SPEC }) }),
    flexVolume: SECRET_REF,
    iscsi: SECRET_REF,
    rbd: SECRET_REF,
    scaleIO: SECRET_REF,
    storageos: SECRET_REF,
  },
};

const POD_SPEC: MergeSchema = {
  fields: {
    affinity: part({ nodeAffinity: part({ requiredDuringSchedulingIgnoredDuringExecution: ATOMIC }) }),
    containers: byKey("name", CONTAINER),
    ephemeralContainers: byKey("name", CONTAINER),
    hostAliases: byKey("ip"),
    imagePullSecrets: byKey("name"),
    initContainers: byKey("name", CONTAINER),
    nodeSelector: ATOMIC,
    resourceClaims: byKey("name"),
    resources: RESOURCES,
    schedulingGates: byKey("name"),
    topologySpreadConstraints: {
      patchKey: "topologyKey",
      list: [{ name: "topologyKey" }, { name: "whenUnsatisfiable" }],
      of: { fields: { labelSelector: ATOMIC } },
    },
    volumes: byKey("name", VOLUME),
  },
};

const TEMPLATE: FieldMerge = part({ metadata: { of: METADATA }, spec: { of: POD_SPEC } });
const CONDITIONS: FieldMerge = byKey("type");
const WITH_CONDITIONS: FieldMerge = part({ conditions: CONDITIONS });
const WORKLOAD_SPEC: FieldMerge = part({ selector: ATOMIC, template: TEMPLATE });
const WORKLOAD: Fields = { spec: WORKLOAD_SPEC, status: WITH_CONDITIONS };

const JOB_SPEC: FieldMerge = WORKLOAD_SPEC;

const WEBHOOKS: FieldMerge = byKey("name", {
  fields: { namespaceSelector: ATOMIC, objectSelector: ATOMIC, matchConditions: byKey("name") },
});
const ADMISSION_POLICY: FieldMerge = part({
  paramKind: ATOMIC,
  matchConstraints: ATOMIC,
  matchConditions: byKey("name"),
  variables: byKey("name"),
});
const ADMISSION_BINDING: FieldMerge = part({
  paramRef: ATOMIC,
  matchResources: ATOMIC,
  validationActions: SET,
});

type Fields = Readonly<Record<string, FieldMerge>>;

/** By `group/kind`, without the metadata, which merge alike everywhere. A kind that is not here has no keys but those. */
const KINDS: Readonly<Record<string, Fields>> = {
  "/Binding": { target: ATOMIC },
  "/Event": { involvedObject: ATOMIC, related: ATOMIC },
  "/Namespace": { status: WITH_CONDITIONS },
  "/Node": {
    spec: part({ podCIDRs: PRIMITIVES }),
    status: part({ conditions: CONDITIONS, addresses: byKey("type") }),
  },
  "/PersistentVolume": {
    spec: part({
      claimRef: ATOMIC,
      csi: part({
        controllerPublishSecretRef: ATOMIC,
        nodeStageSecretRef: ATOMIC,
        nodePublishSecretRef: ATOMIC,
        controllerExpandSecretRef: ATOMIC,
        nodeExpandSecretRef: ATOMIC,
      }),
      nodeAffinity: part({ required: ATOMIC }),
    }),
  },
  "/PersistentVolumeClaim": { spec: CLAIM_SPEC, status: WITH_CONDITIONS },
  "/Pod": {
    spec: { of: POD_SPEC },
    status: part({
      conditions: CONDITIONS,
      hostIPs: { patchKey: "ip" },
      podIPs: byKey("ip"),
      resourceClaimStatuses: byKey("name"),
      resources: RESOURCES,
    }),
  },
  "/PodTemplate": { template: TEMPLATE },
  "/ReplicationController": WORKLOAD,
  "/ResourceQuota": { spec: part({ scopeSelector: ATOMIC }) },
  "/Service": {
    spec: part({ ports: { patchKey: "port", list: [{ name: "port" }, PROTOCOL] }, selector: ATOMIC }),
    status: WITH_CONDITIONS,
  },
  "/ServiceAccount": { secrets: byKey("name") },
  "admissionregistration.k8s.io/MutatingAdmissionPolicy": { spec: ADMISSION_POLICY },
  "admissionregistration.k8s.io/MutatingAdmissionPolicyBinding": { spec: ADMISSION_BINDING },
  "admissionregistration.k8s.io/MutatingWebhookConfiguration": { webhooks: WEBHOOKS },
  "admissionregistration.k8s.io/ValidatingAdmissionPolicy": {
    spec: ADMISSION_POLICY,
    status: part({ conditions: { list: [{ name: "type" }] } }),
  },
  "admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding": { spec: ADMISSION_BINDING },
  "admissionregistration.k8s.io/ValidatingWebhookConfiguration": { webhooks: WEBHOOKS },
  "apiextensions.k8s.io/CustomResourceDefinition": {
    status: part({ conditions: { list: [{ name: "type" }] } }),
  },
  "apiregistration.k8s.io/APIService": { status: WITH_CONDITIONS },
  "apps/DaemonSet": WORKLOAD,
  "apps/Deployment": WORKLOAD,
  "apps/ReplicaSet": WORKLOAD,
  "apps/StatefulSet": WORKLOAD,
  "autoscaling/HorizontalPodAutoscaler": {
    spec: part({ scaleTargetRef: ATOMIC }),
    status: part({ conditions: CONDITIONS }),
  },
  "batch/CronJob": { spec: part({ jobTemplate: part({ metadata: { of: METADATA }, spec: JOB_SPEC }) }) },
  "batch/Job": {
    spec: JOB_SPEC,
    status: part({
      conditions: { patchKey: "type" },
      uncountedTerminatedPods: part({ succeeded: SET, failed: SET }),
    }),
  },
  "events.k8s.io/Event": { regarding: ATOMIC, related: ATOMIC },
  "networking.k8s.io/Ingress": {
    spec: part({ defaultBackend: part({ service: part({ port: ATOMIC }), resource: ATOMIC }) }),
  },
  "networking.k8s.io/NetworkPolicy": { spec: part({ podSelector: ATOMIC }) },
  "networking.k8s.io/ServiceCIDR": { status: WITH_CONDITIONS },
  "policy/PodDisruptionBudget": {
    spec: part({ selector: ATOMIC }),
    status: WITH_CONDITIONS,
  },
  "rbac.authorization.k8s.io/ClusterRoleBinding": { roleRef: ATOMIC },
  "rbac.authorization.k8s.io/RoleBinding": { roleRef: ATOMIC },
  "storage.k8s.io/CSIDriver": { spec: part({ volumeLifecycleModes: SET }) },
  "storage.k8s.io/CSINode": { spec: part({ drivers: byKey("name") }) },
  "storage.k8s.io/CSIStorageCapacity": { nodeTopology: ATOMIC },
};

const METADATA_ALONE: MergeSchema = { fields: { metadata: { of: METADATA } } };

const SCHEMAS: ReadonlyMap<string, MergeSchema> = new Map(
  Object.entries(KINDS).map(([kind, fields]) => [
    kind,
    { fields: { metadata: { of: METADATA }, ...fields } },
  ]),
);

/** How objects of a kind merge. A kind which Kubernetes does not have merges its metadata only; see `customMergeSchema`. */
export function mergeSchemaOf(apiVersion: string, kind: string): MergeSchema {
  const slash = apiVersion.indexOf("/");
  const group = slash === -1 ? "" : apiVersion.slice(0, slash);
  return SCHEMAS.get(`${group}/${kind}`) ?? METADATA_ALONE;
}

/** How objects of a custom resource merge: by what its `openAPIV3Schema` says of lists and maps. */
export function customMergeSchema(openApi: unknown): MergeSchema {
  return mergeSchemaOfOpenApi(openApi, METADATA);
}
