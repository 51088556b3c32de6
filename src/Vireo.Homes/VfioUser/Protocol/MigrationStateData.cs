using System.Runtime.InteropServices;

namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>The data of the feature that is the state of a migration.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct MigrationStateData
{
    /// <summary>The state.</summary>
    public MigrationState State;

    /// <summary>Not used here: data travels in messages.</summary>
    public int Descriptor;
}
