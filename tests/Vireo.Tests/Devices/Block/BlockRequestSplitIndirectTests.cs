using Vireo.Core.Spec;

namespace Vireo.Tests.Devices.Block;

/// <summary>Requests over a split ring with indirect descriptors and notification by index.</summary>
public sealed class BlockRequestSplitIndirectTests()
    : BlockRequestTests(FeatureSet.Of(CoreFeature.IndirectDescriptors, CoreFeature.EventIndex));
