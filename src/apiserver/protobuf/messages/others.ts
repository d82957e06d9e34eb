/** @module Messages of the small groups: networking, policy, discovery, coordination, events and so on. See `table.ts`. */

export const OTHERS: Readonly<Record<string, string>> = {
  networking: `
NetworkPolicy = 1 metadata meta.ObjectMeta, 2 spec NetworkPolicySpec
NetworkPolicySpec = 1 podSelector meta.LabelSelector!, 2 ingress NetworkPolicyIngressRule[],
  3 egress NetworkPolicyEgressRule[], 4 policyTypes string[]
NetworkPolicyIngressRule = 1 ports NetworkPolicyPort[], 2 from NetworkPolicyPeer[]
NetworkPolicyEgressRule = 1 ports NetworkPolicyPort[], 2 to NetworkPolicyPeer[]
NetworkPolicyPort = 1 protocol string?, 2 port IntOrString?, 3 endPort int?
IPBlock = 1 cidr string!, 2 except string[]
NetworkPolicyPeer = 1 podSelector meta.LabelSelector?, 2 namespaceSelector meta.LabelSelector?,
  3 ipBlock IPBlock?
NetworkPolicyList = 1 metadata meta.ListMeta, 2 items NetworkPolicy[]
Ingress = 1 metadata meta.ObjectMeta, 2 spec IngressSpec, 3 status IngressStatus
IngressList = 1 metadata meta.ListMeta, 2 items Ingress[]
IngressSpec = 4 ingressClassName string?, 1 defaultBackend IngressBackend?, 2 tls IngressTLS[],
  3 rules IngressRule[]
IngressTLS = 1 hosts string[], 2 secretName string
IngressStatus = 1 loadBalancer IngressLoadBalancerStatus
IngressLoadBalancerStatus = 1 ingress IngressLoadBalancerIngress[]
IngressLoadBalancerIngress = 1 ip string, 2 hostname string, 4 ports IngressPortStatus[]
IngressPortStatus = 1 port int!, 2 protocol string!, 3 error string?
IngressRule = 1 host string, 2 ...IngressRuleValue
IngressRuleValue = 1 http HTTPIngressRuleValue?
HTTPIngressRuleValue = 1 paths HTTPIngressPath[]
HTTPIngressPath = 1 path string, 3 pathType string?, 2 backend IngressBackend!
IngressBackend = 4 service IngressServiceBackend?, 3 resource core.TypedLocalObjectReference?
IngressServiceBackend = 1 name string!, 2 port ServiceBackendPort
ServiceBackendPort = 1 name string, 2 number int
IngressClass = 1 metadata meta.ObjectMeta, 2 spec IngressClassSpec
IngressClassSpec = 1 controller string, 2 parameters IngressClassParametersReference?
IngressClassParametersReference = 1 apiGroup string?, 2 kind string!, 3 name string!, 4 scope string?,
  5 namespace string?
IngressClassList = 1 metadata meta.ListMeta, 2 items IngressClass[]
IPAddress = 1 metadata meta.ObjectMeta, 2 spec IPAddressSpec
IPAddressSpec = 1 parentRef ParentReference?
ParentReference = 1 group string, 2 resource string, 3 namespace string, 4 name string
IPAddressList = 1 metadata meta.ListMeta, 2 items IPAddress[]
ServiceCIDR = 1 metadata meta.ObjectMeta, 2 spec ServiceCIDRSpec, 3 status ServiceCIDRStatus
ServiceCIDRSpec = 1 cidrs string[]
ServiceCIDRStatus = 1 conditions meta.Condition[]
ServiceCIDRList = 1 metadata meta.ListMeta, 2 items ServiceCIDR[]
`,
  policy: `
PodDisruptionBudgetSpec = 1 minAvailable IntOrString?, 2 selector meta.LabelSelector?,
  3 maxUnavailable IntOrString?, 4 unhealthyPodEvictionPolicy string?
PodDisruptionBudgetStatus = 1 observedGeneration int, 2 disruptedPods Time{}, 3 disruptionsAllowed int!,
  4 currentHealthy int!, 5 desiredHealthy int!, 6 expectedPods int!, 7 conditions meta.Condition[]
PodDisruptionBudget = 1 metadata meta.ObjectMeta, 2 spec PodDisruptionBudgetSpec,
  3 status PodDisruptionBudgetStatus
PodDisruptionBudgetList = 1 metadata meta.ListMeta, 2 items PodDisruptionBudget[]
Eviction = 1 metadata meta.ObjectMeta, 2 deleteOptions meta.DeleteOptions?
`,
  discovery: `
EndpointSlice = 1 metadata meta.ObjectMeta, 4 addressType string!, 2 endpoints Endpoint[],
  3 ports EndpointPort[]
Endpoint = 1 addresses string[], 2 conditions EndpointConditions, 3 hostname string?,
  4 targetRef core.ObjectReference?, 5 deprecatedTopology string{}, 6 nodeName string?, 7 zone string?,
  8 hints EndpointHints?
EndpointConditions = 1 ready bool?, 2 serving bool?, 3 terminating bool?
EndpointHints = 1 forZones ForZone[], 2 forNodes ForNode[]
ForZone = 1 name string!
ForNode = 1 name string!
EndpointPort = 1 name string?, 2 protocol string?, 3 port int?, 4 appProtocol string?
EndpointSliceList = 1 metadata meta.ListMeta, 2 items EndpointSlice[]
`,
  coordination: `
Lease = 1 metadata meta.ObjectMeta, 2 spec LeaseSpec
LeaseSpec = 1 holderIdentity string?, 2 leaseDurationSeconds int?, 3 acquireTime MicroTime?,
  4 renewTime MicroTime?, 5 leaseTransitions int?, 6 strategy string?, 7 preferredHolder string?
LeaseList = 1 metadata meta.ListMeta, 2 items Lease[]
`,
  events: `
Event = 1 metadata meta.ObjectMeta!, 2 eventTime MicroTime, 3 series EventSeries?,
  4 reportingController string, 5 reportingInstance string, 6 action string, 7 reason string,
  8 regarding core.ObjectReference, 9 related core.ObjectReference?, 10 note string, 11 type string,
  12 deprecatedSource core.EventSource, 13 deprecatedFirstTimestamp Time, 14 deprecatedLastTimestamp Time,
  15 deprecatedCount int
EventSeries = 1 count int!, 2 lastObservedTime MicroTime
EventList = 1 metadata meta.ListMeta, 2 items Event[]
`,
  scheduling: `
PriorityClass = 1 metadata meta.ObjectMeta, 2 value int!, 3 globalDefault bool, 4 description string,
  5 preemptionPolicy string?
PriorityClassList = 1 metadata meta.ListMeta, 2 items PriorityClass[]
`,
  storage: `
StorageClass = 1 metadata meta.ObjectMeta, 2 provisioner string!, 3 parameters string{},
  4 reclaimPolicy string?, 5 mountOptions string[], 6 allowVolumeExpansion bool?,
  7 volumeBindingMode string?, 8 allowedTopologies core.TopologySelectorTerm[]
StorageClassList = 1 metadata meta.ListMeta, 2 items StorageClass[]
VolumeAttachment = 1 metadata meta.ObjectMeta, 2 spec VolumeAttachmentSpec!,
  3 status VolumeAttachmentStatus
VolumeAttachmentList = 1 metadata meta.ListMeta, 2 items VolumeAttachment[]
VolumeAttachmentSpec = 1 attacher string!, 2 source VolumeAttachmentSource!, 3 nodeName string!
VolumeAttachmentSource = 1 persistentVolumeName string?, 2 inlineVolumeSpec core.PersistentVolumeSpec?
VolumeAttachmentStatus = 1 attached bool!, 2 attachmentMetadata string{}, 3 attachError VolumeError?,
  4 detachError VolumeError?
VolumeError = 1 time Time, 2 message string, 3 errorCode int?
CSIDriver = 1 metadata meta.ObjectMeta, 2 spec CSIDriverSpec!
CSIDriverList = 1 metadata meta.ListMeta, 2 items CSIDriver[]
CSIDriverSpec = 1 attachRequired bool?, 2 podInfoOnMount bool?, 3 volumeLifecycleModes string[],
  4 storageCapacity bool?, 5 fsGroupPolicy string?, 6 tokenRequests TokenRequest[],
  7 requiresRepublish bool?, 8 seLinuxMount bool?, 9 nodeAllocatableUpdatePeriodSeconds int?,
  10 serviceAccountTokenInSecrets bool?, 11 preventPodSchedulingIfMissing bool?
TokenRequest = 1 audience string!, 2 expirationSeconds int?
CSINode = 1 metadata meta.ObjectMeta, 2 spec CSINodeSpec!, 3 status CSINodeStatus
CSINodeSpec = 1 drivers CSINodeDriver[]
CSINodeDriver = 1 name string!, 2 nodeID string!, 3 topologyKeys string[],
  4 allocatable VolumeNodeResources?
VolumeNodeResources = 1 count int?
StorageHealthCondition = 1 status string!, 2 reason string!, 3 message string, 4 accessMode string?,
  5 volumeMode string?, 6 lastTransitionTime Time
StorageHealth = 1 name string!, 2 healthConditions StorageHealthCondition[]
CSINodeStatus = 1 storageHealth StorageHealth[]
CSINodeList = 1 metadata meta.ListMeta, 2 items CSINode[]
CSIStorageCapacity = 1 metadata meta.ObjectMeta, 2 nodeTopology meta.LabelSelector?,
  3 storageClassName string!, 4 capacity Quantity?, 5 maximumVolumeSize Quantity?
CSIStorageCapacityList = 1 metadata meta.ListMeta, 2 items CSIStorageCapacity[]
VolumeAttributesClass = 1 metadata meta.ObjectMeta, 2 driverName string!, 3 parameters string{}
VolumeAttributesClassList = 1 metadata meta.ListMeta, 2 items VolumeAttributesClass[]
`,
  admissionregistration: `
Rule = 1 apiGroups string[], 2 apiVersions string[], 3 resources string[], 4 scope string?
ValidatingWebhookConfiguration = 1 metadata meta.ObjectMeta, 2 webhooks ValidatingWebhook[]
ValidatingWebhookConfigurationList = 1 metadata meta.ListMeta, 2 items ValidatingWebhookConfiguration[]
MutatingWebhookConfiguration = 1 metadata meta.ObjectMeta, 2 webhooks MutatingWebhook[]
MutatingWebhookConfigurationList = 1 metadata meta.ListMeta, 2 items MutatingWebhookConfiguration[]
ValidatingWebhook = 1 name string!, 2 clientConfig WebhookClientConfig!, 3 rules RuleWithOperations[],
  4 failurePolicy string?, 9 matchPolicy string?, 5 namespaceSelector meta.LabelSelector?,
  10 objectSelector meta.LabelSelector?, 6 sideEffects string?, 7 timeoutSeconds int?,
  8 admissionReviewVersions string[], 11 matchConditions MatchCondition[]
MutatingWebhook = 1 name string!, 2 clientConfig WebhookClientConfig!, 3 rules RuleWithOperations[],
  4 failurePolicy string?, 9 matchPolicy string?, 5 namespaceSelector meta.LabelSelector?,
  11 objectSelector meta.LabelSelector?, 6 sideEffects string?, 7 timeoutSeconds int?,
  8 admissionReviewVersions string[], 10 reinvocationPolicy string?, 12 matchConditions MatchCondition[]
RuleWithOperations = 1 operations string[], 2 ...Rule
WebhookClientConfig = 3 url string?, 1 service ServiceReference?, 2 caBundle bytes
ServiceReference = 1 namespace string!, 2 name string!, 3 path string?, 4 port int?
MatchCondition = 1 name string!, 2 expression string!
`,
};
