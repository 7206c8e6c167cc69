/** The messages of lastmile.v1 that the console reads, as the edge writes them in JSON. */

export interface User {
  id: number;
  name: string;
  tags: string[];
  username: string;
  email: string;
  role: string;
  createTime: string | null;
  updateTime: string | null;
  etag: string;
}

export interface UserList {
  users: User[];
  nextPageToken: string;
  /** Where WatchUsers continues. */
  cursor: string;
}

/** One message of WatchUsers. */
export interface UserChange {
  cursor: string;
  userCreated?: { user: User };
  userUpdated?: { user: User };
  userDeleted?: { id: number };
}

export interface Identity {
  subject: string;
  role: string;
  /** Absent for services and edges. */
  user?: User;
}

export interface Topic {
  name: string;
  description: string;
  /** Members are `anyone`, `signed-in`, `owner`, `role:ROLE` and `user:ID`. */
  rules?: { publish: string[]; subscribe: string[] } | null;
}

export interface TopicEvent {
  cursor: string;
  id: string;
  topic: string;
  type: string;
  publishTime: string | null;
  publisher: string;
  data?: unknown;
  message?: unknown;
}

export interface EventList {
  /** Oldest first. */
  events: TopicEvent[];
  nextPageToken: string;
  /** Where Subscribe continues after this page. */
  cursor: string;
}

/** What `/.well-known/lastmile/info` tells about the process behind the page. */
export interface Info {
  dev: boolean;
  version: string;
  grpc: string;
}
