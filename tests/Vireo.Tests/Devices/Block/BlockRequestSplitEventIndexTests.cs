using Vireo.Core.Spec;

namespace Vireo.Tests.Devices.Block;

/// <summary>Requests over a split ring with notification by index.</summary>
public sealed class BlockRequestSplitEventIndexTests() : BlockRequestTests(FeatureSet.Of(CoreFeature.EventIndex));
