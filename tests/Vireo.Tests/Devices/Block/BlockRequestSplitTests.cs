using Vireo.Core.Spec;

namespace Vireo.Tests.Devices.Block;

/// <summary>Requests over a split ring with direct descriptors.</summary>
public sealed class BlockRequestSplitTests() : BlockRequestTests(FeatureSet.Empty);
