/** @module Messages of the other kinds of the core group. See `table.ts`. */

export const CORE_OBJECTS: Readonly<Record<string, string>> = {
  core: `
ContainerStateWaiting = 1 reason string, 2 message string
ContainerStateRunning = 1 startedAt Time
ContainerStateTerminated = 1 exitCode int!, 2 signal int, 3 reason string, 4 message string,
  5 startedAt Time, 6 finishedAt Time, 7 containerID string
ContainerState = 1 waiting ContainerStateWaiting?, 2 running ContainerStateRunning?,
  3 terminated ContainerStateTerminated?
ContainerStatus = 1 name string!, 2 state ContainerState, 3 lastState ContainerState, 4 ready bool!,
  5 restartCount int!, 6 image string!, 7 imageID string!, 8 containerID string, 9 started bool?,
  10 allocatedResources Quantity{}, 11 resources ResourceRequirements?,
  12 volumeMounts VolumeMountStatus[], 13 user ContainerUser?,
  14 allocatedResourcesStatus ResourceStatus[], 15 stopSignal string?
ResourceStatus = 1 name string!, 2 resources ResourceHealth[]
ResourceHealth = 1 resourceID string!, 2 health string, 6 message string?
ContainerUser = 1 linux LinuxContainerUser?
LinuxContainerUser = 1 uid int!, 2 gid int!, 3 supplementalGroups int[]
PodCondition = 1 type string!, 7 observedGeneration int, 2 status string!, 3 lastProbeTime Time,
  4 lastTransitionTime Time, 5 reason string, 6 message string
TopologySelectorTerm = 1 matchLabelExpressions TopologySelectorLabelRequirement[]
TopologySelectorLabelRequirement = 1 key string!, 2 values string[]
Taint = 1 key string!, 2 value string, 3 effect string!, 4 timeAdded Time?
ContainerExtendedResourceRequest = 1 containerName string!, 2 resourceName string!, 3 requestName string!
HostIP = 1 ip string!
ReplicationControllerSpec = 1 replicas int?, 4 minReadySeconds int, 2 selector string{},
  3 template PodTemplateSpec?
ReplicationControllerStatus = 1 replicas int!, 2 fullyLabeledReplicas int, 4 readyReplicas int,
  5 availableReplicas int, 3 observedGeneration int, 6 conditions ReplicationControllerCondition[]
ReplicationControllerCondition = 1 type string!, 2 status string!, 3 lastTransitionTime Time,
  4 reason string, 5 message string
ReplicationController = 1 metadata meta.ObjectMeta, 2 spec ReplicationControllerSpec,
  3 status ReplicationControllerStatus
ReplicationControllerList = 1 metadata meta.ListMeta, 2 items ReplicationController[]
SessionAffinityConfig = 1 clientIP ClientIPConfig?
ClientIPConfig = 1 timeoutSeconds int?
ServiceStatus = 1 loadBalancer LoadBalancerStatus, 2 conditions meta.Condition[]
LoadBalancerStatus = 1 ingress LoadBalancerIngress[]
LoadBalancerIngress = 1 ip string, 2 hostname string, 3 ipMode string?, 4 ports PortStatus[]
ServiceSpec = 1 ports ServicePort[], 2 selector string{}, 3 clusterIP string, 18 clusterIPs string[],
  4 type string, 5 externalIPs string[], 7 sessionAffinity string, 8 loadBalancerIP string,
  9 loadBalancerSourceRanges string[], 10 externalName string, 11 externalTrafficPolicy string,
  12 healthCheckNodePort int, 13 publishNotReadyAddresses bool,
  14 sessionAffinityConfig SessionAffinityConfig?, 19 ipFamilies string[], 17 ipFamilyPolicy string?,
  20 allocateLoadBalancerNodePorts bool?, 21 loadBalancerClass string?, 22 internalTrafficPolicy string?,
  23 trafficDistribution string?
ServicePort = 1 name string, 2 protocol string, 6 appProtocol string?, 3 port int!,
  4 targetPort IntOrString, 5 nodePort int
Service = 1 metadata meta.ObjectMeta, 2 spec ServiceSpec, 3 status ServiceStatus
ServiceList = 1 metadata meta.ListMeta, 2 items Service[]
ServiceAccount = 1 metadata meta.ObjectMeta, 2 secrets ObjectReference[],
  3 imagePullSecrets LocalObjectReference[], 4 automountServiceAccountToken bool?
ServiceAccountList = 1 metadata meta.ListMeta, 2 items ServiceAccount[]
Endpoints = 1 metadata meta.ObjectMeta, 2 subsets EndpointSubset[]
EndpointSubset = 1 addresses EndpointAddress[], 2 notReadyAddresses EndpointAddress[],
  3 ports EndpointPort[]
EndpointAddress = 1 ip string!, 3 hostname string, 4 nodeName string?, 2 targetRef ObjectReference?
EndpointPort = 1 name string, 2 port int!, 3 protocol string, 4 appProtocol string?
EndpointsList = 1 metadata meta.ListMeta, 2 items Endpoints[]
NodeSpec = 1 podCIDR string, 7 podCIDRs string[], 3 providerID string, 4 unschedulable bool,
  5 taints Taint[], 6 configSource NodeConfigSource?, 2 externalID string,
  8 podPreemptionPolicy NodePodPreemptionPolicy?
NodePodPreemptionPolicy = 1 disableResizePreemption string[]
DaemonEndpoint = 1 Port int!
NodeDaemonEndpoints = 1 kubeletEndpoint DaemonEndpoint
NodeRuntimeHandlerFeatures = 1 recursiveReadOnlyMounts bool?, 2 userNamespaces bool?
NodeRuntimeHandler = 1 name string!, 2 features NodeRuntimeHandlerFeatures?
NodeFeatures = 1 supplementalGroupsPolicy bool?
NodeSystemInfo = 1 machineID string!, 2 systemUUID string!, 3 bootID string!, 4 kernelVersion string!,
  5 osImage string!, 6 containerRuntimeVersion string!, 7 kubeletVersion string!,
  8 kubeProxyVersion string!, 9 operatingSystem string!, 10 architecture string!, 11 swap NodeSwapStatus?
NodeSwapStatus = 1 capacity int?
NodeConfigStatus = 1 assigned NodeConfigSource?, 2 active NodeConfigSource?,
  3 lastKnownGood NodeConfigSource?, 4 error string
NodeStatus = 1 capacity Quantity{}, 2 allocatable Quantity{}, 3 phase string,
  4 conditions NodeCondition[], 5 addresses NodeAddress[], 6 daemonEndpoints NodeDaemonEndpoints,
  7 nodeInfo NodeSystemInfo, 8 images ContainerImage[], 9 volumesInUse string[],
  10 volumesAttached AttachedVolume[], 11 config NodeConfigStatus?,
  12 runtimeHandlers NodeRuntimeHandler[], 13 features NodeFeatures?, 14 declaredFeatures string[]
ContainerImage = 1 names string[], 2 sizeBytes int
NodeCondition = 1 type string!, 2 status string!, 3 lastHeartbeatTime Time, 4 lastTransitionTime Time,
  5 reason string, 6 message string
NodeAddress = 1 type string!, 2 address string!
Node = 1 metadata meta.ObjectMeta, 2 spec NodeSpec, 3 status NodeStatus
NodeList = 1 metadata meta.ListMeta, 2 items Node[]
NamespaceSpec = 1 finalizers string[]
NamespaceStatus = 1 phase string, 2 conditions NamespaceCondition[]
NamespaceCondition = 1 type string!, 2 status string!, 4 lastTransitionTime Time, 5 reason string,
  6 message string
Namespace = 1 metadata meta.ObjectMeta, 2 spec NamespaceSpec, 3 status NamespaceStatus
NamespaceList = 1 metadata meta.ListMeta, 2 items Namespace[]
Binding = 1 metadata meta.ObjectMeta, 2 target ObjectReference!
ObjectReference = 1 kind string, 2 namespace string, 3 name string, 4 uid string, 5 apiVersion string,
  6 resourceVersion string, 7 fieldPath string
EventSource = 1 component string, 2 host string
Event = 1 metadata meta.ObjectMeta!, 2 involvedObject ObjectReference!, 3 reason string, 4 message string,
  5 source EventSource, 6 firstTimestamp Time, 7 lastTimestamp Time, 8 count int, 9 type string,
  10 eventTime MicroTime, 11 series EventSeries?, 12 action string, 13 related ObjectReference?,
  14 reportingComponent string!, 15 reportingInstance string!
EventSeries = 1 count int, 2 lastObservedTime MicroTime
EventList = 1 metadata meta.ListMeta, 2 items Event[]
LimitRangeItem = 1 type string!, 2 max Quantity{}, 3 min Quantity{}, 4 default Quantity{},
  5 defaultRequest Quantity{}, 6 maxLimitRequestRatio Quantity{}
LimitRangeSpec = 1 limits LimitRangeItem[]
LimitRange = 1 metadata meta.ObjectMeta, 2 spec LimitRangeSpec
LimitRangeList = 1 metadata meta.ListMeta, 2 items LimitRange[]
ResourceQuotaSpec = 1 hard Quantity{}, 2 scopes string[], 3 scopeSelector ScopeSelector?
ScopeSelector = 1 matchExpressions ScopedResourceSelectorRequirement[]
ScopedResourceSelectorRequirement = 1 scopeName string!, 2 operator string!, 3 values string[]
ResourceQuotaStatus = 1 hard Quantity{}, 2 used Quantity{}
ResourceQuota = 1 metadata meta.ObjectMeta, 2 spec ResourceQuotaSpec, 3 status ResourceQuotaStatus
ResourceQuotaList = 1 metadata meta.ListMeta, 2 items ResourceQuota[]
Secret = 1 metadata meta.ObjectMeta, 5 immutable bool?, 2 data bytes{}, 4 stringData string{},
  3 type string
SecretList = 1 metadata meta.ListMeta, 2 items Secret[]
ConfigMap = 1 metadata meta.ObjectMeta, 4 immutable bool?, 2 data string{}, 3 binaryData bytes{}
ConfigMapList = 1 metadata meta.ListMeta, 2 items ConfigMap[]
PortStatus = 1 port int!, 2 protocol string!, 3 error string?
NodeAllocatableResourceClaimStatus = 1 resourceClaimName string!, 2 containers string[],
  4 mapping NodeAllocatableMappedResources[], 5 overhead NodeAllocatableOverheadResources[]
NodeAllocatableMappedResources = 1 name string!, 2 quantity Quantity?
NodeAllocatableOverheadResources = 1 name string!, 2 perPod Quantity?, 3 perContainer Quantity?
`,
};
