/** @module Messages of the groups apps, batch and autoscaling. See `table.ts`. */

export const WORKLOADS: Readonly<Record<string, string>> = {
  apps: `
StatefulSet = 1 metadata meta.ObjectMeta, 2 spec StatefulSetSpec, 3 status StatefulSetStatus
StatefulSetUpdateStrategy = 1 type string, 2 rollingUpdate RollingUpdateStatefulSetStrategy?
RollingUpdateStatefulSetStrategy = 1 partition int?, 2 maxUnavailable IntOrString?
StatefulSetPersistentVolumeClaimRetentionPolicy = 1 whenDeleted string, 2 whenScaled string
StatefulSetOrdinals = 1 start int!
StatefulSetSpec = 1 replicas int?, 2 selector meta.LabelSelector?, 3 template core.PodTemplateSpec!,
  4 volumeClaimTemplates core.PersistentVolumeClaim[], 5 serviceName string!,
  6 podManagementPolicy string, 7 updateStrategy StatefulSetUpdateStrategy, 8 revisionHistoryLimit int?,
  9 minReadySeconds int,
  10 persistentVolumeClaimRetentionPolicy StatefulSetPersistentVolumeClaimRetentionPolicy?,
  11 ordinals StatefulSetOrdinals?
StatefulSetStatus = 1 observedGeneration int, 2 replicas int!, 3 readyReplicas int, 4 currentReplicas int,
  5 updatedReplicas int, 6 currentRevision string, 7 updateRevision string, 9 collisionCount int?,
  10 conditions StatefulSetCondition[], 11 availableReplicas int!
StatefulSetCondition = 1 type string!, 2 status string!, 3 lastTransitionTime Time, 4 reason string,
  5 message string
StatefulSetList = 1 metadata meta.ListMeta, 2 items StatefulSet[]
Deployment = 1 metadata meta.ObjectMeta, 2 spec DeploymentSpec, 3 status DeploymentStatus
DeploymentSpec = 1 replicas int?, 2 selector meta.LabelSelector?, 3 template core.PodTemplateSpec!,
  4 strategy DeploymentStrategy, 5 minReadySeconds int, 6 revisionHistoryLimit int?, 7 paused bool,
  9 progressDeadlineSeconds int?
DeploymentStrategy = 1 type string, 2 rollingUpdate RollingUpdateDeployment?
RollingUpdateDeployment = 1 maxUnavailable IntOrString?, 2 maxSurge IntOrString?
DeploymentStatus = 1 observedGeneration int, 2 replicas int, 3 updatedReplicas int, 7 readyReplicas int,
  4 availableReplicas int, 5 unavailableReplicas int, 9 terminatingReplicas int?,
  6 conditions DeploymentCondition[], 8 collisionCount int?
DeploymentCondition = 1 type string!, 2 status string!, 6 lastUpdateTime Time, 7 lastTransitionTime Time,
  4 reason string, 5 message string
DeploymentList = 1 metadata meta.ListMeta, 2 items Deployment[]
DaemonSetUpdateStrategy = 1 type string, 2 rollingUpdate RollingUpdateDaemonSet?
RollingUpdateDaemonSet = 1 maxUnavailable IntOrString?, 2 maxSurge IntOrString?
DaemonSetSpec = 1 selector meta.LabelSelector?, 2 template core.PodTemplateSpec!,
  3 updateStrategy DaemonSetUpdateStrategy, 4 minReadySeconds int, 6 revisionHistoryLimit int?
DaemonSetStatus = 1 currentNumberScheduled int!, 2 numberMisscheduled int!, 3 desiredNumberScheduled int!,
  4 numberReady int!, 5 observedGeneration int, 6 updatedNumberScheduled int, 7 numberAvailable int,
  8 numberUnavailable int, 9 collisionCount int?, 10 conditions DaemonSetCondition[]
DaemonSetCondition = 1 type string!, 2 status string!, 3 lastTransitionTime Time, 4 reason string,
  5 message string
DaemonSet = 1 metadata meta.ObjectMeta, 2 spec DaemonSetSpec, 3 status DaemonSetStatus
DaemonSetList = 1 metadata meta.ListMeta, 2 items DaemonSet[]
ReplicaSet = 1 metadata meta.ObjectMeta, 2 spec ReplicaSetSpec, 3 status ReplicaSetStatus
ReplicaSetList = 1 metadata meta.ListMeta, 2 items ReplicaSet[]
ReplicaSetSpec = 1 replicas int?, 4 minReadySeconds int, 2 selector meta.LabelSelector?,
  3 template core.PodTemplateSpec
ReplicaSetStatus = 1 replicas int!, 2 fullyLabeledReplicas int, 4 readyReplicas int,
  5 availableReplicas int, 7 terminatingReplicas int?, 3 observedGeneration int,
  6 conditions ReplicaSetCondition[]
ReplicaSetCondition = 1 type string!, 2 status string!, 3 lastTransitionTime Time, 4 reason string,
  5 message string
ControllerRevision = 1 metadata meta.ObjectMeta, 2 data Raw!, 3 revision int!
ControllerRevisionList = 1 metadata meta.ListMeta, 2 items ControllerRevision[]
`,
  batch: `
Job = 1 metadata meta.ObjectMeta, 2 spec JobSpec, 3 status JobStatus
JobList = 1 metadata meta.ListMeta, 2 items Job[]
PodFailurePolicyOnExitCodesRequirement = 1 containerName string?, 2 operator string!, 3 values int[]
PodFailurePolicyOnPodConditionsPattern = 1 type string!, 2 status string!
PodFailurePolicyRule = 1 action string!, 2 onExitCodes PodFailurePolicyOnExitCodesRequirement?,
  3 onPodConditions PodFailurePolicyOnPodConditionsPattern[]
PodFailurePolicy = 1 rules PodFailurePolicyRule[]
SuccessPolicy = 1 rules SuccessPolicyRule[]
SuccessPolicyRule = 1 succeededIndexes string?, 2 succeededCount int?
JobSpec = 1 parallelism int?, 2 completions int?, 3 activeDeadlineSeconds int?,
  11 podFailurePolicy PodFailurePolicy?, 16 successPolicy SuccessPolicy?, 7 backoffLimit int?,
  12 backoffLimitPerIndex int?, 13 maxFailedIndexes int?, 4 selector meta.LabelSelector?,
  5 manualSelector bool?, 6 template core.PodTemplateSpec!, 8 ttlSecondsAfterFinished int?,
  9 completionMode string?, 10 suspend bool?, 14 podReplacementPolicy string?, 15 managedBy string?,
  17 scheduling JobSchedulingConfiguration?
JobSchedulingConfiguration =
JobStatus = 1 conditions JobCondition[], 2 startTime Time?, 3 completionTime Time?, 4 active int,
  5 succeeded int, 6 failed int, 11 terminating int?, 7 completedIndexes string, 10 failedIndexes string?,
  8 uncountedTerminatedPods UncountedTerminatedPods?, 9 ready int?
UncountedTerminatedPods = 1 succeeded string[], 2 failed string[]
JobCondition = 1 type string!, 2 status string!, 3 lastProbeTime Time, 4 lastTransitionTime Time,
  5 reason string, 6 message string
JobTemplateSpec = 1 metadata meta.ObjectMeta, 2 spec JobSpec
CronJob = 1 metadata meta.ObjectMeta, 2 spec CronJobSpec, 3 status CronJobStatus
CronJobList = 1 metadata meta.ListMeta, 2 items CronJob[]
CronJobSpec = 1 schedule string!, 8 timeZone string?, 2 startingDeadlineSeconds int?,
  3 concurrencyPolicy string, 4 suspend bool?, 5 jobTemplate JobTemplateSpec!,
  6 successfulJobsHistoryLimit int?, 7 failedJobsHistoryLimit int?
CronJobStatus = 1 active core.ObjectReference[], 4 lastScheduleTime Time?, 5 lastSuccessfulTime Time?
`,
  autoscaling: `
CrossVersionObjectReference = 1 kind string!, 2 name string!, 3 apiVersion string
HorizontalPodAutoscalerSpec = 1 scaleTargetRef CrossVersionObjectReference!, 2 minReplicas int?,
  3 maxReplicas int!, 4 targetCPUUtilizationPercentage int?
HorizontalPodAutoscalerStatus = 1 observedGeneration int?, 2 lastScaleTime Time?, 3 currentReplicas int!,
  4 desiredReplicas int!, 5 currentCPUUtilizationPercentage int?
HorizontalPodAutoscaler = 1 metadata meta.ObjectMeta, 2 spec HorizontalPodAutoscalerSpec,
  3 status HorizontalPodAutoscalerStatus
HorizontalPodAutoscalerList = 1 metadata meta.ListMeta, 2 items HorizontalPodAutoscaler[]
Scale = 1 metadata meta.ObjectMeta, 2 spec ScaleSpec, 3 status ScaleStatus
ScaleSpec = 1 replicas int
ScaleStatus = 1 replicas int!, 2 selector string
`,
  autoscaling2: `
HorizontalPodAutoscaler = 1 metadata meta.ObjectMeta, 2 spec HorizontalPodAutoscalerSpec,
  3 status HorizontalPodAutoscalerStatus
HorizontalPodAutoscalerSpec = 1 scaleTargetRef CrossVersionObjectReference!, 2 minReplicas int?,
  3 maxReplicas int!, 4 metrics MetricSpec[], 5 behavior HorizontalPodAutoscalerBehavior?
CrossVersionObjectReference = 1 kind string!, 2 name string!, 3 apiVersion string
MetricSpec = 1 type string!, 2 object ObjectMetricSource?, 3 pods PodsMetricSource?,
  4 resource ResourceMetricSource?, 7 containerResource ContainerResourceMetricSource?,
  5 external ExternalMetricSource?
HorizontalPodAutoscalerBehavior = 1 scaleUp HPAScalingRules?, 2 scaleDown HPAScalingRules?
HPAScalingRules = 3 stabilizationWindowSeconds int?, 1 selectPolicy string?,
  2 policies HPAScalingPolicy[], 4 tolerance Quantity?
HPAScalingPolicy = 1 type string!, 2 value int!, 3 periodSeconds int!
ObjectMetricSource = 1 describedObject CrossVersionObjectReference!, 2 target MetricTarget!,
  3 metric MetricIdentifier!
PodsMetricSource = 1 metric MetricIdentifier!, 2 target MetricTarget!
ResourceMetricSource = 1 name string!, 2 target MetricTarget!
ContainerResourceMetricSource = 1 name string!, 2 target MetricTarget!, 3 container string!
ExternalMetricSource = 1 metric MetricIdentifier!, 2 target MetricTarget!
MetricIdentifier = 1 name string!, 2 selector meta.LabelSelector?
MetricTarget = 1 type string!, 2 value Quantity?, 3 averageValue Quantity?, 4 averageUtilization int?
HorizontalPodAutoscalerStatus = 1 observedGeneration int?, 2 lastScaleTime Time?, 3 currentReplicas int,
  4 desiredReplicas int!, 5 currentMetrics MetricStatus[], 6 conditions HorizontalPodAutoscalerCondition[]
HorizontalPodAutoscalerCondition = 1 type string!, 2 status string!, 3 lastTransitionTime Time,
  4 reason string, 5 message string, 6 observedGeneration int?
MetricStatus = 1 type string!, 2 object ObjectMetricStatus?, 3 pods PodsMetricStatus?,
  4 resource ResourceMetricStatus?, 7 containerResource ContainerResourceMetricStatus?,
  5 external ExternalMetricStatus?
ObjectMetricStatus = 1 metric MetricIdentifier!, 2 current MetricValueStatus!,
  3 describedObject CrossVersionObjectReference!
PodsMetricStatus = 1 metric MetricIdentifier!, 2 current MetricValueStatus!
ResourceMetricStatus = 1 name string!, 2 current MetricValueStatus!
ContainerResourceMetricStatus = 1 name string!, 2 current MetricValueStatus!, 3 container string!
ExternalMetricStatus = 1 metric MetricIdentifier!, 2 current MetricValueStatus!
MetricValueStatus = 1 value Quantity?, 2 averageValue Quantity?, 3 averageUtilization int?
`,
};
