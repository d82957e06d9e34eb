/** @module Messages of who may do what: rbac, authentication and authorization. See `table.ts`. */

export const ACCESS: Readonly<Record<string, string>> = {
  rbac: `
PolicyRule = 1 verbs string[], 2 apiGroups string[], 3 resources string[], 4 resourceNames string[],
  5 nonResourceURLs string[]
Subject = 1 kind string!, 2 apiGroup string, 3 name string!, 4 namespace string
RoleRef = 1 apiGroup string!, 2 kind string!, 3 name string!
Role = 1 metadata meta.ObjectMeta, 2 rules PolicyRule[]
RoleBinding = 1 metadata meta.ObjectMeta, 2 subjects Subject[], 3 roleRef RoleRef!
RoleBindingList = 1 metadata meta.ListMeta, 2 items RoleBinding[]
RoleList = 1 metadata meta.ListMeta, 2 items Role[]
ClusterRole = 1 metadata meta.ObjectMeta, 2 rules PolicyRule[], 3 aggregationRule AggregationRule?
AggregationRule = 1 clusterRoleSelectors meta.LabelSelector[]
ClusterRoleBinding = 1 metadata meta.ObjectMeta, 2 subjects Subject[], 3 roleRef RoleRef!
ClusterRoleBindingList = 1 metadata meta.ListMeta, 2 items ClusterRoleBinding[]
ClusterRoleList = 1 metadata meta.ListMeta, 2 items ClusterRole[]
`,
  authentication: `
TokenReview = 1 metadata meta.ObjectMeta, 2 spec TokenReviewSpec!, 3 status TokenReviewStatus
TokenReviewSpec = 1 token string, 2 audiences string[]
TokenReviewStatus = 1 authenticated bool, 2 user UserInfo, 4 audiences string[], 3 error string
UserInfo = 1 username string, 2 uid string, 3 groups string[], 4 extra Strings{}
TokenRequest = 1 metadata meta.ObjectMeta, 2 spec TokenRequestSpec!, 3 status TokenRequestStatus
TokenRequestSpec = 1 audiences string[], 4 expirationSeconds int?, 3 boundObjectRef BoundObjectReference?,
  5 attestations Strings{}
TokenRequestStatus = 1 token string!, 2 expirationTimestamp Time
BoundObjectReference = 1 kind string, 2 apiVersion string, 3 name string, 4 uid string
SelfSubjectReview = 1 metadata meta.ObjectMeta, 2 status SelfSubjectReviewStatus
SelfSubjectReviewStatus = 1 userInfo UserInfo
`,
  authorization: `
SubjectAccessReview = 1 metadata meta.ObjectMeta, 2 spec SubjectAccessReviewSpec!,
  3 status SubjectAccessReviewStatus
SelfSubjectAccessReview = 1 metadata meta.ObjectMeta, 2 spec SelfSubjectAccessReviewSpec!,
  3 status SubjectAccessReviewStatus
LocalSubjectAccessReview = 1 metadata meta.ObjectMeta, 2 spec SubjectAccessReviewSpec!,
  3 status SubjectAccessReviewStatus
ResourceAttributes = 1 namespace string, 2 verb string, 3 group string, 4 version string,
  5 resource string, 6 subresource string, 7 name string, 8 fieldSelector FieldSelectorAttributes?,
  9 labelSelector LabelSelectorAttributes?
LabelSelectorAttributes = 1 rawSelector string, 2 requirements meta.LabelSelectorRequirement[]
FieldSelectorAttributes = 1 rawSelector string, 2 requirements meta.FieldSelectorRequirement[]
NonResourceAttributes = 1 path string, 2 verb string
SubjectAccessReviewSpec = 1 resourceAttributes ResourceAttributes?,
  2 nonResourceAttributes NonResourceAttributes?, 3 user string, 4 groups string[], 5 extra Strings{},
  6 uid string
SelfSubjectAccessReviewSpec = 1 resourceAttributes ResourceAttributes?,
  2 nonResourceAttributes NonResourceAttributes?
SubjectAccessReviewStatus = 1 allowed bool!, 4 denied bool, 2 reason string, 3 evaluationError string
SelfSubjectRulesReview = 1 metadata meta.ObjectMeta, 2 spec SelfSubjectRulesReviewSpec!,
  3 status SubjectRulesReviewStatus
SelfSubjectRulesReviewSpec = 1 namespace string
SubjectRulesReviewStatus = 1 resourceRules ResourceRule[], 2 nonResourceRules NonResourceRule[],
  3 incomplete bool!, 4 evaluationError string
ResourceRule = 1 verbs string[], 2 apiGroups string[], 3 resources string[], 4 resourceNames string[]
NonResourceRule = 1 verbs string[], 2 nonResourceURLs string[]
`,
};
