// ExpertParallel
