// Everything that p2c runs on, in one resource group. `azd up` deploys it and then the app.
targetScope = 'subscription'

@description('Name of the deployment, such as p2c-test. It names the resource group and tags every resource.')
@minLength(1)
@maxLength(32)
param environmentName string

@description('Azure region of every resource. Flex Consumption has to be offered there.')
@minLength(1)
param location string

@description('Root URL of the Dataverse environment, host only.')
@minLength(1)
param dataverseUrl string

@description('Root URL of Finance and Operations, host only.')
@minLength(1)
param fnoUrl string

@description('dataAreaId of the legal entity that records are written to.')
@minLength(1)
@maxLength(4)
param legalEntity string

@description('Overrides by template: schedule, six NCRONTAB fields in UTC; lateAfterMinutes, when an alert says that it has not run.')
param templates object = {}

@description('Whether timers fire. Without them p2c does what it is asked to, and reads no changes by itself.')
param timersEnabled bool = true

@description('Folder of project files in the deployed package, such as projects. Empty: templates run as shipped.')
param projects string = ''

@description('Seconds after a claim from which no request of it can act in F&O. Not below the function timeout, the longest F&O works on an abandoned request, and clock skew together.')
@minValue(900)
param settleSeconds int = 900

@description('Most instances that Azure may run: it bounds cost. F&O is protected by the limiter that all instances share.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 10

@description('Memory of an instance. 2048 comes with one core.')
@allowed([
  512
  2048
  4096
])
param instanceMemoryMB int = 2048

@description('Redundancy of the storage account. Standard_ZRS survives the loss of a datacenter where the region has zones.')
@allowed([
  'Standard_LRS'
  'Standard_ZRS'
  'Standard_GRS'
  'Standard_GZRS'
])
param storageSku string = 'Standard_LRS'

@description('Days that logs are kept.')
@minValue(30)
@maxValue(730)
param retentionDays int = 45

@description('Reach storage and the vault by private endpoints only.')
param privateNetwork bool = false

@description('Who is mailed by the alerts. Empty: alerts are shown in the portal only.')
param alertEmail string = ''

@description('Rejected rows of a template within an hour above which an alert is raised.')
@minValue(0)
param rejectedRowsThreshold int = 20

@description('Object id of a person or group that runs the commands against this storage account. Empty: nobody but the app.')
param operatorPrincipalId string = ''

@description('What the operator is.')
@allowed([
  'User'
  'Group'
  'ServicePrincipal'
])
param operatorPrincipalType string = 'User'

@description('Client id of an app registration that both services know, where they cannot know the managed identity. Empty: the managed identity, without a secret.')
param appRegistrationClientId string = ''

@description('Tenant of both services, where the app registration gets its tokens. Empty: that of the subscription.')
param appRegistrationTenantId string = ''

@description('Its client secret, kept in a vault. Only with appRegistrationClientId.')
@secure()
param appRegistrationSecret string = ''

@description('Key of the field hashes, at least 32 characters, kept in a vault. Empty: p2c makes one and keeps it in storage.')
@secure()
param hashKey string = ''

var shippedTemplates = {
  accounts: {
    schedule: '0 */5 * * * *'
    lateAfterMinutes: 30
  }
  contacts: {
    schedule: '20 */5 * * * *'
    lateAfterMinutes: 30
  }
  'contacts-to-customer': {
    schedule: '40 */5 * * * *'
    lateAfterMinutes: 30
  }
}
var scheduledTemplates = union(shippedTemplates, templates)

var token = uniqueString(subscription().id, environmentName, location)
var tags = {
  'azd-env-name': environmentName
}
var usesVault = !empty(appRegistrationSecret) || !empty(hashKey)

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    name: 'id-p2c-${token}'
    location: location
    tags: tags
  }
}

module storage 'storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    name: 'stp2c${token}'
    location: location
    tags: tags
    sku: storageSku
    templates: objectKeys(scheduledTemplates)
    privateNetwork: privateNetwork
    appPrincipalId: identity.outputs.principalId
    operatorPrincipalId: operatorPrincipalId
    operatorPrincipalType: operatorPrincipalType
  }
}

module monitoring 'monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    name: 'p2c-${token}'
    location: location
    tags: tags
    retentionDays: retentionDays
    appPrincipalId: identity.outputs.principalId
  }
}

module vault 'vault.bicep' = if (usesVault) {
  name: 'vault'
  scope: group
  params: {
    name: 'kv-p2c-${token}'
    location: location
    tags: tags
    privateNetwork: privateNetwork
    appPrincipalId: identity.outputs.principalId
    appRegistrationSecret: appRegistrationSecret
    hashKey: hashKey
  }
}

module network 'network.bicep' = if (privateNetwork) {
  name: 'network'
  scope: group
  params: {
    name: 'p2c-${token}'
    location: location
    tags: tags
    storageAccountId: storage.outputs.id
    vaultId: usesVault ? vault!.outputs.id : ''
  }
}

module functionApp 'function-app.bicep' = {
  name: 'function-app'
  scope: group
  params: {
    name: 'func-p2c-${token}'
    location: location
    tags: tags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    blobUri: storage.outputs.blobUri
    queueUri: storage.outputs.queueUri
    tableUri: storage.outputs.tableUri
    deploymentContainer: storage.outputs.deploymentContainer
    insightsConnectionString: monitoring.outputs.connectionString
    subnetId: privateNetwork ? network!.outputs.appSubnetId : ''
    maximumInstanceCount: maximumInstanceCount
    instanceMemoryMB: instanceMemoryMB
    dataverseUrl: dataverseUrl
    fnoUrl: fnoUrl
    legalEntity: legalEntity
    projects: projects
    settleSeconds: settleSeconds
    templates: scheduledTemplates
    timersEnabled: timersEnabled
    appRegistrationClientId: appRegistrationClientId
    appRegistrationTenantId: empty(appRegistrationTenantId) ? tenant().tenantId : appRegistrationTenantId
    appRegistrationSecretUri: usesVault ? vault!.outputs.appRegistrationSecretUri : ''
    hashKeyUri: usesVault ? vault!.outputs.hashKeyUri : ''
  }
}

module alerts 'alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    name: 'p2c-${token}'
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
    email: alertEmail
    templates: scheduledTemplates
    timersEnabled: timersEnabled
    rejectedRowsThreshold: rejectedRowsThreshold
  }
}

module workbook 'workbook.bicep' = {
  name: 'workbook'
  scope: group
  params: {
    title: 'p2c ${environmentName}'
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
  }
}

@description('Root URL of the HTTP functions.')
output functionAppUrl string = functionApp.outputs.url

@description('What both services have to know the app by: an application user in Dataverse, a Microsoft Entra application in F&O.')
output applicationClientId string = empty(appRegistrationClientId) ? identity.outputs.clientId : appRegistrationClientId

@description('Storage account for the commands: AzureWebJobsStorage__accountName.')
output storageAccountName string = storage.outputs.name
