export {
  countVotes,
  type Electorate,
  hasQuorum,
  majority,
  quorumReached,
  reachedBy,
  type VoteResult,
} from "./quorum.js";
