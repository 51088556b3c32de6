using Vireo.GuestTests.Rig;
using Xunit.Sdk;

[assembly: RegisterXunitSerializer(typeof(GuestConfigurationSerializer), typeof(GuestConfiguration))]

namespace Vireo.GuestTests.Rig;

/// <summary>Lets the test runner list, name and run each configuration of a theory by itself.</summary>
public sealed class GuestConfigurationSerializer : IXunitSerializer
{
    /// <inheritdoc/>
    public object Deserialize(Type type, string serializedValue) => GuestConfiguration.Deserialize(serializedValue);

    /// <inheritdoc/>
    public bool IsSerializable(Type type, object? value, out string failureReason)
    {
        failureReason = "";
        return type == typeof(GuestConfiguration);
    }

    /// <inheritdoc/>
    public string Serialize(object value) => ((GuestConfiguration)value).Serialize();
}
