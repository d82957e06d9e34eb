/** @module What else the sender of a request must be allowed, besides the verb of the request itself. */
import { type Authorizer, refusal } from "./authorize.ts";
import { checkEscalation } from "./escalation.ts";
import { errors } from "./status-error.ts";
import type { CallerAccess } from "./storage.ts";
import type { User } from "./users.ts";

export function accessOf(authorizer: Authorizer, user: User): CallerAccess {
  return {
    mayCreate: async (resource, { namespace, name }) => {
      const { group, plural } = resource;
      const wanted = { verb: "create", group, plural, subresource: undefined, namespace, name };
      if (await authorizer.allows(user, wanted)) return;
      throw errors.forbidden(resource, name, refusal(user, wanted));
    },
    mayWrite: (resource, after, before) => checkEscalation(authorizer, user, resource, { after, before }),
  };
}
