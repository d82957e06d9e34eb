/** @module Messages of pods: what runs. See `table.ts`. */

export const CORE_PODS: Readonly<Record<string, string>> = {
  core: `
TypedObjectReference = 1 apiGroup string?, 2 kind string!, 3 name string!, 4 namespace string?
ContainerPort = 1 name string, 2 hostPort int, 3 containerPort int!, 4 protocol string, 5 hostIP string
EnvVar = 1 name string!, 2 value string, 3 valueFrom EnvVarSource?
FileKeySelector = 1 volumeName string!, 2 path string!, 3 key string!, 4 optional bool?
ObjectFieldSelector = 1 apiVersion string, 2 fieldPath string!
ResourceFieldSelector = 1 containerName string, 2 resource string!, 3 divisor Quantity
ConfigMapKeySelector = 1 ...LocalObjectReference, 2 key string!, 3 optional bool?
SecretKeySelector = 1 ...LocalObjectReference, 2 key string!, 3 optional bool?
HTTPHeader = 1 name string!, 2 value string!
HTTPGetAction = 1 path string, 2 port IntOrString!, 3 host string, 4 scheme string,
  5 httpHeaders HTTPHeader[], 6 protocol string?
TCPSocketAction = 1 port IntOrString!, 2 host string
GRPCAction = 1 port int!, 2 service string?, 3 mode string?
ExecAction = 1 command string[]
SleepAction = 1 seconds int!
Probe = 1 ...ProbeHandler, 2 initialDelaySeconds int, 3 timeoutSeconds int, 4 periodSeconds int,
  5 successThreshold int, 6 failureThreshold int, 7 terminationGracePeriodSeconds int?
ContainerResizePolicy = 1 resourceName string!, 2 restartPolicy string!
Capabilities = 1 add string[], 2 drop string[]
ResourceRequirements = 1 limits Quantity{}, 2 requests Quantity{}, 3 claims ResourceClaim[]
ResourceClaim = 1 name string!, 2 request string
Container = 1 name string!, 2 image string, 3 command string[], 4 args string[], 5 workingDir string,
  6 ports ContainerPort[], 19 envFrom EnvFromSource[], 7 env EnvVar[], 8 resources ResourceRequirements,
  23 resizePolicy ContainerResizePolicy[], 24 restartPolicy string?,
  25 restartPolicyRules ContainerRestartRule[], 9 volumeMounts VolumeMount[],
  21 volumeDevices VolumeDevice[], 10 livenessProbe Probe?, 11 readinessProbe Probe?,
  22 startupProbe Probe?, 12 lifecycle Lifecycle?, 13 terminationMessagePath string,
  20 terminationMessagePolicy string, 14 imagePullPolicy string, 15 securityContext SecurityContext?,
  16 stdin bool, 17 stdinOnce bool, 18 tty bool
ProbeHandler = 1 exec ExecAction?, 2 httpGet HTTPGetAction?, 3 tcpSocket TCPSocketAction?,
  4 grpc GRPCAction?
LifecycleHandler = 1 exec ExecAction?, 2 httpGet HTTPGetAction?, 3 tcpSocket TCPSocketAction?,
  4 sleep SleepAction?
Lifecycle = 1 postStart LifecycleHandler?, 2 preStop LifecycleHandler?, 3 stopSignal string?
ContainerRestartRule = 1 action string, 2 exitCodes ContainerRestartRuleOnExitCodes?
ContainerRestartRuleOnExitCodes = 1 operator string, 2 values int[]
NodeSelector = 1 nodeSelectorTerms NodeSelectorTerm[]
NodeSelectorTerm = 1 matchExpressions NodeSelectorRequirement[], 2 matchFields NodeSelectorRequirement[]
NodeSelectorRequirement = 1 key string!, 2 operator string!, 3 values string[]
Affinity = 1 nodeAffinity NodeAffinity?, 2 podAffinity PodAffinity?, 3 podAntiAffinity PodAntiAffinity?
PodAffinity = 1 requiredDuringSchedulingIgnoredDuringExecution PodAffinityTerm[],
  2 preferredDuringSchedulingIgnoredDuringExecution WeightedPodAffinityTerm[]
PodAntiAffinity = 1 requiredDuringSchedulingIgnoredDuringExecution PodAffinityTerm[],
  2 preferredDuringSchedulingIgnoredDuringExecution WeightedPodAffinityTerm[]
WeightedPodAffinityTerm = 1 weight int!, 2 podAffinityTerm PodAffinityTerm!
PodAffinityTerm = 1 labelSelector meta.LabelSelector?, 2 namespaces string[], 3 topologyKey string!,
  4 namespaceSelector meta.LabelSelector?, 5 matchLabelKeys string[], 6 mismatchLabelKeys string[]
NodeAffinity = 1 requiredDuringSchedulingIgnoredDuringExecution NodeSelector?,
  2 preferredDuringSchedulingIgnoredDuringExecution PreferredSchedulingTerm[]
PreferredSchedulingTerm = 1 weight int!, 2 preference NodeSelectorTerm!
Toleration = 1 key string, 2 operator string, 3 value string, 4 effect string, 5 tolerationSeconds int?
PodReadinessGate = 1 conditionType string!
PodSpec = 1 volumes Volume[], 20 initContainers Container[], 2 containers Container[],
  34 ephemeralContainers EphemeralContainer[], 3 restartPolicy string,
  4 terminationGracePeriodSeconds int?, 5 activeDeadlineSeconds int?, 6 dnsPolicy string,
  7 nodeSelector string{}, 8 serviceAccountName string, 9 serviceAccount string,
  21 automountServiceAccountToken bool?, 10 nodeName string, 11 hostNetwork bool, 12 hostPID bool,
  13 hostIPC bool, 27 shareProcessNamespace bool?, 14 securityContext PodSecurityContext?,
  15 imagePullSecrets LocalObjectReference[], 16 hostname string, 17 subdomain string,
  18 affinity Affinity?, 19 schedulerName string, 22 tolerations Toleration[], 23 hostAliases HostAlias[],
  24 priorityClassName string, 25 priority int?, 26 dnsConfig PodDNSConfig?,
  28 readinessGates PodReadinessGate[], 29 runtimeClassName string?, 30 enableServiceLinks bool?,
  31 preemptionPolicy string?, 32 overhead Quantity{},
  33 topologySpreadConstraints TopologySpreadConstraint[], 35 setHostnameAsFQDN bool?, 36 os PodOS?,
  37 hostUsers bool?, 38 schedulingGates PodSchedulingGate[], 39 resourceClaims PodResourceClaim[],
  40 resources ResourceRequirements?, 41 hostnameOverride string?, 43 schedulingGroup PodSchedulingGroup?,
  44 evictionResponders EvictionResponder[]
PodResourceClaim = 1 name string!, 3 resourceClaimName string?, 4 resourceClaimTemplateName string?
PodResourceClaimStatus = 1 name string!, 2 resourceClaimName string?
PodExtendedResourceClaimStatus = 1 requestMappings ContainerExtendedResourceRequest[],
  2 resourceClaimName string!
PodOS = 1 name string!
PodSchedulingGate = 1 name string!
PodSchedulingGroup = 1 podGroupName string?
TopologySpreadConstraint = 1 maxSkew int!, 2 topologyKey string!, 3 whenUnsatisfiable string!,
  4 labelSelector meta.LabelSelector?, 5 minDomains int?, 6 nodeAffinityPolicy string?,
  7 nodeTaintsPolicy string?, 8 matchLabelKeys string[]
HostAlias = 1 ip string!, 2 hostnames string[]
PodSecurityContext = 1 seLinuxOptions SELinuxOptions?, 8 windowsOptions WindowsSecurityContextOptions?,
  2 runAsUser int?, 6 runAsGroup int?, 3 runAsNonRoot bool?, 4 supplementalGroups int[],
  12 supplementalGroupsPolicy string?, 5 fsGroup int?, 7 sysctls Sysctl[], 9 fsGroupChangePolicy string?,
  10 seccompProfile SeccompProfile?, 11 appArmorProfile AppArmorProfile?, 13 seLinuxChangePolicy string?
SeccompProfile = 1 type string!, 2 localhostProfile string?
AppArmorProfile = 1 type string!, 2 localhostProfile string?
PodDNSConfig = 1 nameservers string[], 2 searches string[], 3 options PodDNSConfigOption[]
PodDNSConfigOption = 1 name string, 2 value string?
PodIP = 1 ip string!
EphemeralContainerCommon = 1 name string!, 2 image string, 3 command string[], 4 args string[],
  5 workingDir string, 6 ports ContainerPort[], 19 envFrom EnvFromSource[], 7 env EnvVar[],
  8 resources ResourceRequirements, 23 resizePolicy ContainerResizePolicy[], 24 restartPolicy string?,
  25 restartPolicyRules ContainerRestartRule[], 9 volumeMounts VolumeMount[],
  21 volumeDevices VolumeDevice[], 10 livenessProbe Probe?, 11 readinessProbe Probe?,
  22 startupProbe Probe?, 12 lifecycle Lifecycle?, 13 terminationMessagePath string,
  20 terminationMessagePolicy string, 14 imagePullPolicy string, 15 securityContext SecurityContext?,
  16 stdin bool, 17 stdinOnce bool, 18 tty bool
EphemeralContainer = 1 ...EphemeralContainerCommon, 2 targetContainerName string
EvictionResponder = 1 name string!, 2 priority int?
PodStatus = 17 observedGeneration int, 1 phase string, 2 conditions PodCondition[], 3 message string,
  4 reason string, 11 nominatedNodeName string, 5 hostIP string, 16 hostIPs HostIP[], 6 podIP string,
  12 podIPs PodIP[], 7 startTime Time?, 10 initContainerStatuses ContainerStatus[],
  8 containerStatuses ContainerStatus[], 9 qosClass string,
  13 ephemeralContainerStatuses ContainerStatus[], 14 resize string,
  15 resourceClaimStatuses PodResourceClaimStatus[],
  18 extendedResourceClaimStatus PodExtendedResourceClaimStatus?, 19 allocatedResources Quantity{},
  20 resources ResourceRequirements?,
  21 nodeAllocatableResourceClaimStatuses NodeAllocatableResourceClaimStatus[],
  22 volumeHealth PodVolumeHealth[]
Pod = 1 metadata meta.ObjectMeta, 2 spec PodSpec, 3 status PodStatus
PodList = 1 metadata meta.ListMeta, 2 items Pod[]
PodTemplateSpec = 1 metadata meta.ObjectMeta, 2 spec PodSpec
PodTemplate = 1 metadata meta.ObjectMeta, 2 template PodTemplateSpec
PodTemplateList = 1 metadata meta.ListMeta, 2 items PodTemplate[]
LocalObjectReference = 1 name string
TypedLocalObjectReference = 1 apiGroup string?, 2 kind string!, 3 name string!
SecurityContext = 1 capabilities Capabilities?, 2 privileged bool?, 3 seLinuxOptions SELinuxOptions?,
  10 windowsOptions WindowsSecurityContextOptions?, 4 runAsUser int?, 8 runAsGroup int?,
  5 runAsNonRoot bool?, 6 readOnlyRootFilesystem bool?, 7 allowPrivilegeEscalation bool?,
  9 procMount string?, 11 seccompProfile SeccompProfile?, 12 appArmorProfile AppArmorProfile?
SELinuxOptions = 1 user string, 2 role string, 3 type string, 4 level string
WindowsSecurityContextOptions = 1 gmsaCredentialSpecName string?, 2 gmsaCredentialSpec string?,
  3 runAsUserName string?, 4 hostProcess bool?
Sysctl = 1 name string!, 2 value string!
`,
};
