package import TestSupport

/// Every case of the project that runs on several ranks, by module. See `RankCase` for how to add one.
package let rankCases: [RankCase] = [
  communicatorConformance,
  jobEndCases,
  expertLayerCases,
  overlapCases,
  referenceModelCases,
  modelScenarioCases,
  trainingPassCases,
  inferenceCases,
  trainingCases,
  exchangeChoiceCases,
  integrityCases,
  topologyGateCases,
  lossCases,
  memoryCases,
  referenceTrainingCases,
  trainingRunCases,
  checkpointRunCases,
  HarnessSelfTests.all,
].flatMap(\.self)
